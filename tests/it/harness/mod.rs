//! A gateway in a temporary folder, actors that speak HTTP to it, and upstreams that remember what they received.

pub mod ailing;
pub mod http;
pub mod identity;
pub mod listener;
pub mod peers;
pub mod stream;
pub mod upstream;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use http::{Actor, Answer};
pub use stream::Scripted;
pub use upstream::Upstream;

pub const PASSWORD: &str = "correct horse battery staple";
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a gateway is started with.
pub struct Setup {
    pub folder: tempfile::TempDir,
    pub listen: Vec<String>,
    pub arguments: Vec<String>,
    pub variables: Vec<(String, String)>,
    /// What is mounted, in a namespace that ends with the program: a command of the shell.
    pub mount: Option<String>,
}

impl Setup {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gh").tempdir().unwrap();
        let listen = vec![format!("127.0.0.1:{}", free_port())];
        let variables = vec![("ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned())];
        // Upstreams of tests count what they are asked; those about checks switch them on.
        let arguments = [
            "--reload-seconds",
            "1",
            "--nginx-workers",
            "1",
            "--health-checks",
            "off",
        ]
        .map(str::to_owned)
        .to_vec();
        Self {
            folder,
            listen,
            arguments,
            variables,
            mount: None,
        }
    }

    /// A disk of its own under the data folder.
    pub fn with_small_disk(mut self, mebibytes: u32) -> Self {
        let data = self.data();
        std::fs::create_dir_all(&data).unwrap();
        self.mount = Some(format!(
            "mount -t tmpfs -o size={mebibytes}m none '{}'",
            data.display()
        ));
        self
    }

    /// The system's names are those of this file.
    pub fn with_hosts(mut self, file: &Path) -> Self {
        self.mount = Some(format!("mount --bind '{}' /etc/hosts", file.display()));
        self
    }

    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&word| word.to_owned()));
        self
    }

    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_password(mut self) -> Self {
        self.variables.clear();
        self
    }

    /// A folder beside the data, filled with copies of the repository's own.
    pub fn with_copy_of(self, folder: &str) -> Self {
        let to = self.folder.path().join(folder);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &to);
        self.with(&[&format!("--{folder}-dir"), to.to_str().unwrap()])
    }

    /// These scopes, and an administrator's group beside them: without one a gateway does not start.
    pub fn with_policy(self, yaml: &str) -> Self {
        let auth = self.folder.path().join("auth");
        std::fs::create_dir_all(&auth).unwrap();
        std::fs::write(auth.join("scopes.yml"), administered(yaml)).unwrap();
        self.with(&["--auth-dir", auth.to_str().unwrap()])
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.mount {
            Some(mount) if words.first() == Some(&"serve") => mounted(mount),
            _ => program(),
        };
        command.args(words).arg("--data-dir").arg(self.data());
        command.envs(self.variables.iter().map(|(name, text)| (name, text)));
        command
    }

    pub fn serve(&self) -> Command {
        let mut command = self.command(&["serve", "--listen", &self.listen.join(",")]);
        command.args(&self.arguments);
        command
    }

    pub fn start(self) -> Gateway {
        Gateway::start(self)
    }
}

/// The same scopes, with the group of the local administrator if they do not speak of it.
pub fn administered(yaml: &str) -> String {
    let group = "mcp-registry-admin: [mcp-registry-admin]";
    if yaml.contains("mcp-registry-admin") {
        yaml.to_owned()
    } else if yaml.contains("group_mappings: {") {
        yaml.replace("group_mappings: {", &format!("group_mappings: {{{group}, "))
    } else {
        format!("group_mappings: {{{group}}}\n{yaml}")
    }
}

/// Clients, servers and libraries that `make tools` puts there.
pub fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let ready = tools.join("ready").is_file();
    assert!(ready, "the test parts are missing: run `make tools`");
    tools
}

/// The program in a mount namespace of its own.
fn mounted(mount: &str) -> Command {
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script, env!("CARGO_BIN_EXE_gatehouse")]);
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

/// The program under test, with nothing of this machine's environment but the path.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

/// A running gateway; it is stopped in order when dropped.
pub struct Gateway {
    pub setup: Setup,
    pub greeting: String,
    pub base: String,
    child: Option<Child>,
    operations: std::cell::OnceCell<Actor>,
}

impl Gateway {
    pub fn new() -> Self {
        Setup::new().start()
    }

    pub fn start(setup: Setup) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(setup.folder.path().join("log"))
            .unwrap();
        let mut command = setup.serve();
        // In a group of its own, as a service manager would start it.
        command
            .stdout(Stdio::piped())
            .stderr(log)
            .stdin(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!(
                    "the gateway did not start: {}",
                    std::fs::read_to_string(setup.folder.path().join("log")).unwrap()
                );
            };
            greeting.push_str(&line);
            greeting.push('\n');
            // The greeting ends with an empty line.
            if greeting.contains("is ready at") && line.is_empty() && !greeting.ends_with("Call a tool:\n\n")
            {
                break;
            }
        }
        let base = format!("http://{}", setup.listen.first().unwrap());
        Self {
            setup,
            greeting,
            base,
            child: Some(child),
            operations: std::cell::OnceCell::new(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// How much memory the daemon holds.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.folder.path().join("log")).unwrap()
    }

    /// Stop in order; how it ended.
    pub fn stop(mut self) -> (Setup, bool) {
        let ended = self.end("-TERM");
        let folder = std::mem::replace(&mut self.setup, Setup::new());
        (folder, ended)
    }

    /// Kill without a chance to tidy up.
    pub fn kill(mut self) -> Setup {
        self.end("-KILL");
        std::mem::replace(&mut self.setup, Setup::new())
    }

    fn end(&mut self, signal: &str) -> bool {
        let Some(mut child) = self.child.take() else {
            return true;
        };
        signal_to(child.id(), signal);
        child.wait().unwrap().success()
    }

    /// Nobody.
    pub fn anonymous(&self) -> Actor {
        Actor::new(&self.base)
    }

    /// Somebody with a token of these groups' scopes.
    pub fn member(&self, name: &str, groups: &[&str]) -> Actor {
        self.anonymous()
            .bearer(&self.token(&["--user", name, "--groups", &groups.join(",")]))
    }

    /// Somebody with a token of these scopes.
    pub fn with_scopes(&self, name: &str, scopes: &[&str]) -> Actor {
        self.anonymous()
            .bearer(&self.token(&["--user", name, "--scopes", &scopes.join(",")]))
    }

    pub fn admin(&self) -> Actor {
        self.member("root", &["mcp-registry-admin"])
    }

    pub fn token(&self, words: &[&str]) -> String {
        let mut command = self.setup.command(&["token", "create"]);
        let auth = self.setup.folder.path().join("auth");
        if auth.is_dir() {
            command.arg("--auth-dir").arg(auth);
        }
        let output = command.args(words).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The administrator with a browser's cookie.
    pub async fn signed_in(&self) -> Actor {
        let form = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
        let answer = self.anonymous().form("/login", &form).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/"),
            "{}",
            answer.text()
        );
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        self.anonymous().with("cookie", &cookie)
    }

    /// Register as the administrator; the answer must be 201.
    pub async fn register(&self, path: &str, url: &str) -> serde_json::Value {
        let body = serde_json::json!({"server_name": path, "path": path, "proxy_pass_url": url});
        // By scope: a policy of a test's own may map no group.
        let admin = self.with_scopes("root", &["mcp-registry-admin"]);
        let answer = admin.json("/api/management/servers", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.value()
    }

    /// What nginx runs.
    pub async fn nginx(&self) -> serde_json::Value {
        let admin = self
            .operations
            .get_or_init(|| self.with_scopes("operations", &["mcp-registry-admin"]));
        admin.get("/api/operations/nginx").await.value()
    }

    /// Wait until nginx runs a text with so many upstream blocks, and no worker an older one.
    pub async fn until_blocks(&self, count: u64) {
        until("the blocks are live", || async {
            let live = self
                .nginx()
                .await
                .get("blocks")
                .and_then(serde_json::Value::as_u64);
            live == Some(count) && self.nginx_pids().len() == 2
        })
        .await;
    }

    /// Wait until nginx runs everything that there is to publish of so many servers; old workers may still drain.
    pub async fn until_published(&self, servers: usize) {
        until("everything is published", || async {
            let now = self.nginx().await;
            let blocks = now.get("blocks").and_then(serde_json::Value::as_u64);
            blocks == Some(servers.min(500) as u64)
        })
        .await;
    }

    /// Process ids of nginx's master and workers.
    pub fn nginx_pids(&self) -> Vec<u32> {
        nginx_pids(&self.setup.data())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A test may have failed while the daemon stood still.
        if let Some(child) = &self.child {
            signal_to(child.id(), "-CONT");
        }
        self.end("-TERM");
        if std::thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.log());
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        // Nobody has started a daemon again that would end what a killed one left.
        for pid in nginx_pids(&self.data()) {
            signal_to(pid, "-TERM");
        }
    }
}

/// Processes whose command line names this data folder's nginx, and their children.
pub fn nginx_pids(data: &Path) -> Vec<u32> {
    let conf = data.join("nginx/nginx.conf").display().to_string();
    let text = |pid: u32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let pids: Vec<u32> = pids.collect();
    let shows = |pid: u32| String::from_utf8_lossy(&text(pid, "cmdline")).replace('\0', " ");
    let masters: Vec<u32> = pids
        .iter()
        .copied()
        .filter(|&pid| shows(pid).contains("nginx: master") && shows(pid).contains(&conf))
        .collect();
    let parent = |pid: u32| {
        let stat = String::from_utf8_lossy(&text(pid, "stat")).into_owned();
        stat.rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok())
    };
    let workers = pids
        .iter()
        .copied()
        .filter(|&pid| parent(pid).is_some_and(|parent| masters.contains(&parent)));
    masters.iter().copied().chain(workers).collect()
}

pub fn signal_to(pid: u32, signal: &str) {
    Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
}

/// Stop a process where it is. The signal is on its way for a while: a thread that runs may still answer until all stand.
pub async fn stand_still(pid: u32) {
    signal_to(pid, "-STOP");
    until("every thread stands", || async {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let mut stats =
            threads.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
        stats.all(|stat| {
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    })
    .await;
}

pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Wait for something, and say what did not come.
pub async fn until<F, Fut>(what: &str, mut is_so: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that nobody listens on. Each is given out once in a run, and none is of the range from which the system takes
/// ports for connections, so nobody else has it when it is used.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Two runs at once begin at different ones.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + given) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A JSON-RPC request.
pub fn request(method: &str, params: serde_json::Value) -> serde_json::Value {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// A tool call.
pub fn tool_call(name: &str) -> serde_json::Value {
    request("tools/call", serde_json::json!({"name": name, "arguments": {}}))
}
