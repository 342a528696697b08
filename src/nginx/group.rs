//! The process group that nginx runs in, and what an unclean end leaves of it.
//!
//! A killed master leaves workers that hold the ports; a killed daemon leaves a whole nginx that nobody looks after.
//! The group's id is recorded with the machine's boot, and only processes named `nginx` in that very group are ended.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::{Error, Settings, probe};

const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

fn record(run: &Path) -> PathBuf {
    run.join("nginx.group")
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Write down which group is ours.
pub(super) fn remember(run: &Path, group: u32) -> std::io::Result<()> {
    fs::write(record(run), format!("{} {group}\n", boot_id()))
}

/// End what an earlier daemon of this data folder left running, and remove its sockets.
pub(super) async fn end_old(settings: &Settings) -> Result<(), Error> {
    let text = fs::read_to_string(record(&settings.run)).unwrap_or_default();
    let mut words = text.split_whitespace();
    if let (Some(boot), Some(Ok(group))) = (words.next(), words.next().map(str::parse::<u32>))
        && boot == boot_id()
    {
        end(group).await;
        if !members(group).is_empty() {
            let busy = std::io::Error::other(format!("process group {group} does not end"));
            return Err(Error::system("ending the nginx of an earlier run")(busy));
        }
    }
    clear_sockets(&settings.run);
    Ok(())
}

/// nginx does not remove the sockets of a master that was killed, and cannot bind to one that is there.
pub(super) fn clear_sockets(run: &Path) {
    fs::remove_file(probe::socket(run)).ok();
}

/// End every process of the group: asked first, then made.
pub(super) async fn end(group: u32) {
    for signal in [Signal::TERM, Signal::KILL] {
        for _ in 0..PATIENCE {
            let left = members(group);
            if left.is_empty() {
                return;
            }
            for pid in left {
                // It may have ended in between.
                kill_process(pid, signal).ok();
            }
            sleep(PAUSE).await;
        }
    }
}

/// End every process of the group now.
pub(super) fn kill(group: u32) {
    for pid in members(group) {
        kill_process(pid, Signal::KILL).ok();
    }
}

/// nginx processes of the group that have not ended.
fn members(group: u32) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // `pid (name) state ppid pgrp …`; the name may hold spaces and brackets.
        let Some((head, tail)) = stat.rsplit_once(')') else {
            return false;
        };
        let mut fields = tail.split_whitespace();
        let state = fields.next();
        head.ends_with("(nginx") && state != Some("Z") && fields.nth(1) == Some(group.to_string().as_str())
    })
    .filter_map(Pid::from_raw)
    .collect()
}

/// Whether a process of the group has a file open. One whose files cannot be looked at may have it.
pub(super) fn holds(group: u32, inode: u64) -> bool {
    members(group).into_iter().any(|pid| {
        let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
        let Ok(open) = fs::read_dir(&folder) else {
            return Path::new(&folder).exists();
        };
        open.flatten()
            .any(|entry| fs::metadata(entry.path()).is_ok_and(|file| file.ino() == inode))
    })
}

/// Workers of this master that only finish their streams.
pub(super) fn draining(master: u32) -> usize {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
    let title = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    children
        .split_whitespace()
        .filter(|pid| title(pid).contains("is shutting down"))
        .count()
}
