//! Times in notifications.

use wholecall_time::Time;

use crate::{
    json::{JsonError, Kind, Reader},
    text::Lenient,
};

impl<'a> Lenient<'a> for Option<Time> {
    fn fill(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        match json.kind()? {
            Kind::String => *self = Time::parse(&json.string()?),
            _ => json.skip()?,
        }
        Ok(())
    }
}
