//! `wholecall` on a disk that fails as environment variables say. For tests only.
//!
//! * `FAULTY_DISK_FOLDER`: the data folder. Without it, this is plain `wholecall`.
//! * `FAULTY_DISK_DURABLE`: the folder for what a power failure would leave.
//! * `FAULTY_DISK_FAULTS`: the faults, separated by spaces.
//! * `FAULTY_DISK_LOG`: the file that lists the faults that occurred.

use std::{env, path::Path, process::ExitCode};

use wholecall_faulty_disk::{Disk, Fault};

fn observe() -> Result<Option<Disk>, String> {
    let variable = |name: &str| env::var(name).map_err(|error| format!("{name}: {error}"));
    let Ok(folder) = variable("FAULTY_DISK_FOLDER") else { return Ok(None) };
    let faults = variable("FAULTY_DISK_FAULTS")?;
    let faults: Vec<Fault> = faults.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let durable = variable("FAULTY_DISK_DURABLE")?;
    let log = variable("FAULTY_DISK_LOG")?;
    let disk =
        Disk::of(Path::new(&folder), Path::new(&durable)).map_err(|error| format!("{folder}: {error}"))?;
    disk.log_to(Path::new(&log)).map_err(|error| format!("{log}: {error}"))?;
    disk.plan(&faults);
    Ok(Some(disk))
}

fn main() -> ExitCode {
    match observe() {
        // Observed until the program ends.
        Ok(_disk) => wholecall::main(),
        Err(problem) => {
            eprintln!("wholecall-on-faulty-disk: {problem}");
            ExitCode::FAILURE
        }
    }
}
