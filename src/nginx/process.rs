//! The nginx program: `-t`, the master process, its log.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Error, Settings, group};

const TEST_LIMIT: Duration = Duration::from_secs(60);
/// How long streams may go on after the stop before nginx is ended.
const GRACE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

fn command(settings: &Settings, conf: &Path) -> Command {
    let mut command = Command::new(&settings.program);
    command
        .arg("-p")
        .arg(&settings.folder)
        .arg("-c")
        .arg(conf)
        .arg("-e")
        .arg(error_log(settings));
    command.stdin(Stdio::null()).env_clear();
    command
}

fn error_log(settings: &Settings) -> PathBuf {
    settings.logs.join("nginx-error.log")
}

/// Ask `nginx -t` about a file.
pub(super) async fn test(settings: &Settings, conf: &Path) -> Result<(), Error> {
    let doing = || format!("running {} -t", settings.program.display());
    let tested = timeout(
        TEST_LIMIT,
        command(settings, conf)
            .arg("-t")
            .arg("-q")
            .kill_on_drop(true)
            .output(),
    )
    .await;
    let slow = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let output = tested
        .map_err(|_| slow())
        .and_then(|output| output)
        .map_err(Error::system(doing()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let fatal = said
        .lines()
        .find(|line| line.contains("[emerg]"))
        .unwrap_or(said.as_str());
    // … in /data/nginx/nginx.conf.next:41
    let line = fatal
        .rsplit_once(':')
        .and_then(|(_, line)| line.trim().parse().ok());
    let words = fatal
        .split_once("[emerg]")
        .map_or(fatal, |(_, words)| words)
        .trim();
    Err(Error::Refused {
        words: words.trim_start_matches("1#1:").trim().to_owned(),
        line,
    })
}

/// Where the error log ends now.
pub(super) fn log_end(settings: &Settings) -> u64 {
    std::fs::metadata(error_log(settings)).map_or(0, |meta| meta.len())
}

/// The complaints that came into the error log after `mark`, shortened.
pub(super) fn log_since(settings: &Settings, mark: u64) -> String {
    let read = || {
        let mut file = std::fs::File::open(error_log(settings))?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = Vec::new();
        file.take(65_536).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    let text = read().unwrap_or_default();
    let words = |line: &str| Some(line.split_once("[emerg]")?.1.split_once(": ")?.1.to_owned());
    let mut complaints: Vec<String> = text.lines().filter_map(words).collect();
    complaints.dedup();
    complaints.truncate(3);
    if complaints.is_empty() {
        "its error log says nothing".to_owned()
    } else {
        complaints.join("; ")
    }
}

/// The master process: whether it runs, and the wish that it should.
#[derive(Debug)]
pub(super) struct Master {
    conf: PathBuf,
    pid: watch::Sender<Option<u32>>,
    wanted: Notify,
}

impl Master {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            conf: settings.folder.join("nginx.conf"),
            pid: watch::Sender::new(None),
            wanted: Notify::new(),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    pub(super) async fn ended(&self) {
        // The sender is ours, so the wait can end only with the condition.
        self.pid.subscribe().wait_for(Option::is_none).await.ok();
    }

    fn set(&self, pid: Option<u32>) {
        self.pid.send_replace(pid);
    }

    /// Make it open its logs anew, if it runs.
    pub(super) fn reopen(&self) -> Result<(), Error> {
        match self.pid() {
            Some(pid) => signal(pid, Signal::USR1).map_err(Error::system("asking nginx to reopen its logs")),
            None => Ok(()),
        }
    }

    /// Reload it if it runs, start it if it does not.
    pub(super) fn wake(&self) -> Result<(), Error> {
        match self.pid() {
            Some(pid) => signal(pid, Signal::HUP).map_err(Error::system("reloading nginx")),
            None => {
                self.wanted.notify_one();
                Ok(())
            }
        }
    }
}

fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// Keep the master running from the first wish until `stop`.
pub(super) async fn supervise(settings: &Settings, master: &Master, stop: CancellationToken) {
    tokio::select! {
        () = master.wanted.notified() => {}
        () = stop.cancelled() => return,
    }
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        // A first text that nginx did not take leaves no file: wait for the next one.
        if !master.conf.exists() {
            tokio::select! {
                () = master.wanted.notified() => continue,
                () = stop.cancelled() => return,
            }
        }
        match start(settings, master) {
            Ok(mut child) => {
                let began = tokio::time::Instant::now();
                let group = child.id().unwrap_or_default();
                tokio::select! {
                    ended = child.wait() => {
                        let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                        tracing::error!(nginx.status = status, "nginx ended by itself; starting it again");
                    }
                    () = stop.cancelled() => {
                        end_in_order(&mut child, group).await;
                        master.set(None);
                        return;
                    }
                }
                master.set(None);
                group::end(group).await;
                group::clear_sockets(&settings.run);
                if began.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "nginx cannot be started"
            ),
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = stop.cancelled() => return,
        }
    }
}

/// In a group of its own: a Ctrl-C at the terminal is for the daemon, which then ends nginx in order.
fn start(settings: &Settings, master: &Master) -> Result<Child, Error> {
    let child = command(settings, &master.conf)
        .args(["-g", "daemon off;"])
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::system(format!("starting {}", settings.program.display())))?;
    if let Some(pid) = child.id() {
        group::remember(&settings.run, pid).map_err(Error::system("recording nginx's process group"))?;
        master.set(Some(pid));
    }
    Ok(child)
}

async fn end_in_order(child: &mut Child, group: u32) {
    // QUIT lets running calls finish; it may fail when the process has just ended.
    signal(group, Signal::QUIT).ok();
    if timeout(GRACE, child.wait()).await.is_err() {
        signal(group, Signal::TERM).ok();
        timeout(GRACE, child.wait()).await.ok();
    }
    group::end(group).await;
}
