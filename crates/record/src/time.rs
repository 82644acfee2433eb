//! Times in records.

pub use wholecall_time::Time;

use crate::json::WriteJson;

impl WriteJson for Time {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.text().as_bytes());
        out.push(b'"');
    }
}
