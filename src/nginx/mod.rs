//! The nginx beside us: what it should serve, and whether it does.
//!
//! A reload succeeds as soon as a signal is sent, so no exit code says anything about the new configuration (`nginx
//! -t` does not see a listen address that is taken). Each rendered file answers the hash of its own text;
//! [`Nginx::apply`] believes only that answer.
//!
//! **Invariant:** nginx always runs the last configuration it accepted; a refused one changes nothing on disk.

pub mod call_line;
pub mod calls;
mod files;
mod group;
mod probe;
mod process;
mod render;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use render::{Block, Text};

use self::files::Files;
use self::process::Master;
use self::render::Renderer;

/// What nginx must be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program.
    pub program: PathBuf,
    /// Its own folder: `nginx.conf` and temporary files.
    pub folder: PathBuf,
    /// Sockets and the record of its process group.
    pub run: PathBuf,
    /// Its error log, and the call log.
    pub logs: PathBuf,
    /// Whether it writes a line for each call.
    pub call_log: bool,
    /// TCP addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Names that requests may say in `Host`, beside `localhost` and address literals; `""` and a pattern of nginx's
    /// (`*.example.com`) are names too.
    pub server_names: Vec<String>,
    /// Origins whose pages may call (RFC 6454, section 6.1), beside our own.
    pub allowed_origins: Vec<String>,
    /// Where the daemon answers the gate's questions.
    pub gate_socket: PathBuf,
    /// Where the daemon serves pages and API.
    pub web_socket: PathBuf,
    /// Templates that replace the compiled-in ones, file by file.
    pub templates: Option<PathBuf>,
    /// First path segments that belong to the registry.
    pub reserved: &'static [&'static str],
    /// `worker_processes`; none means one for each core.
    pub workers: Option<u16>,
    /// Listeners to the feed of the registry at once: two connections each.
    pub listeners: usize,
    /// The largest request body in bytes.
    pub max_body_bytes: u64,
    /// How long an upstream or the daemon may be silent.
    pub read_timeout: Duration,
    /// How long old workers may finish their streams.
    pub worker_shutdown: Duration,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// `http` or `https`: how the public reaches us.
    pub public_scheme: &'static str,
    /// The certificate authorities for https upstreams; without one they are carried.
    pub ca_file: Option<PathBuf>,
}

/// Why nginx does not run what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template does not render.
    #[error("the nginx template does not render: {0}")]
    Template(String),
    /// `nginx -t` refused the text.
    #[error("nginx refused the configuration: {words}")]
    Refused {
        /// What nginx said.
        words: String,
        /// The line of our file that it named.
        line: Option<usize>,
    },
    /// It was accepted, but nginx does not answer its hash.
    #[error("nginx did not take the new configuration: {0}")]
    NotTaken(String),
    /// A file or process could not be handled.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }
}

/// The nginx of this data folder.
#[derive(Debug, Clone)]
pub struct Nginx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    files: Files,
    master: Master,
}

impl Nginx {
    /// Prepare the folders and clear what an unclean end left behind. Nothing runs yet.
    pub async fn new(settings: Settings) -> Result<Self, Error> {
        let files = Files::new(&settings.folder)?;
        let master = Master::new(&settings);
        group::end_old(&settings).await?;
        if settings.call_log {
            calls::make(&settings.logs).map_err(Error::system("making the call log"))?;
        }
        Ok(Self(Arc::new(Inner {
            settings,
            files,
            master,
        })))
    }

    /// Render a text with these upstream blocks, from the templates as they are on disk now.
    pub fn render(&self, blocks: &[Block]) -> Result<Text, Error> {
        render(&self.0.settings, blocks)
    }

    /// Make nginx run this text, and return only when it answers its hash. On failure what ran before runs again.
    pub async fn apply(&self, text: &Text) -> Result<(), Error> {
        let Inner {
            settings,
            files,
            master,
        } = self.0.as_ref();
        files.write_next(&text.body)?;
        if let Err(refused) = process::test(settings, &files.next()).await {
            files.drop_next();
            return Err(refused);
        }
        files.swap_in()?;
        let mark = process::log_end(settings);
        master.wake()?;
        if probe::until_steady(&settings.run, &text.hash).await {
            return Ok(());
        }
        let words = process::log_since(settings, mark);
        files.put_back()?;
        master.wake()?;
        Err(Error::NotTaken(words))
    }

    /// The text on disk from an earlier run, if there is one.
    pub fn text_on_disk(&self) -> Option<String> {
        self.0.files.current()
    }

    /// Run the master process, start it again when it dies, end it in order when cancelled.
    pub async fn supervise(&self, stop: CancellationToken) {
        process::supervise(&self.0.settings, &self.0.master, stop).await;
    }

    /// Return when no master runs any more.
    pub async fn ended(&self) {
        self.0.master.ended().await;
    }

    /// End it now, with every stream.
    pub fn kill(&self) {
        if let Some(group) = self.0.master.pid() {
            group::kill(group);
        }
    }

    /// Make it write its logs into the files that have their names now; nothing when it does not run.
    pub fn reopen_logs(&self) -> Result<(), Error> {
        self.0.master.reopen()
    }

    /// The folder of its logs.
    pub fn logs(&self) -> &std::path::Path {
        &self.0.settings.logs
    }

    /// Whether one of its processes has a file open, by its inode.
    pub fn holds(&self, inode: u64) -> bool {
        self.0
            .master
            .pid()
            .is_some_and(|group| group::holds(group, inode))
    }

    /// How many workers of earlier texts still finish their streams.
    pub fn draining(&self) -> usize {
        self.0.master.pid().map_or(0, group::draining)
    }
}

/// Render a text without a running nginx, as `gatehouse check` does.
pub fn render(settings: &Settings, blocks: &[Block]) -> Result<Text, Error> {
    Renderer::load(settings.templates.as_deref())?.render(settings, blocks)
}

/// Ask `nginx -t` about a text in a folder of its own.
pub async fn test(settings: &Settings, text: &Text) -> Result<(), Error> {
    let files = Files::new(&settings.folder)?;
    files.write_next(&text.body)?;
    let tested = process::test(settings, &files.next()).await;
    files.drop_next();
    tested
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::path::RESERVED;
    use crate::domain::route;
    use crate::domain::upstream::{Origin, UpstreamUrl};

    fn settings(folder: &std::path::Path) -> Settings {
        let programs = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
        let program = programs
            .into_iter()
            .find(|program| program.is_file())
            .expect("nginx is installed");
        Settings {
            program,
            folder: folder.join("nginx"),
            run: folder.to_owned(),
            logs: folder.to_owned(),
            call_log: true,
            listen: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap()],
            server_names: vec!["a.example".to_owned(), "*.b.example".to_owned()],
            allowed_origins: vec!["https://c.example".to_owned()],
            gate_socket: folder.join("gate.sock"),
            web_socket: folder.join("web.sock"),
            templates: None,
            reserved: RESERVED,
            workers: Some(1),
            listeners: 100,
            max_body_bytes: 1024,
            read_timeout: Duration::from_secs(5),
            worker_shutdown: Duration::from_secs(5),
            trusted_proxies: vec!["10.0.0.0/8".to_owned(), "::1/128".to_owned()],
            public_scheme: "https",
            ca_file: Some(PathBuf::from("/etc/ssl/certs/ca-certificates.crt")).filter(|file| file.is_file()),
        }
    }

    /// Near-valid addresses of every kind; what parses becomes a block.
    fn origins() -> Vec<Origin> {
        let hosts = [
            "a",
            "a-b.c",
            "A_B",
            "xn--nxasmq6b",
            "127.0.0.1",
            "[::1]",
            "0x7f.1",
            "a;b",
            "a}b",
            "$a",
            "a\"",
            "ü",
        ];
        let tails = ["", "/", "/mcp", "/a;b", "/%7b", "/x?y=$z", "/\"'"];
        let mut origins: Vec<Origin> = Vec::new();
        for (number, host) in (1..).zip(hosts.iter().cycle().take(1200)) {
            for scheme in ["http", "https"] {
                let tail = tails.iter().cycle().nth(number).unwrap();
                let text = format!("{scheme}://{host}:{number}{tail}");
                origins.extend(text.parse::<UpstreamUrl>().ok().map(|url| url.origin().clone()));
            }
        }
        origins
    }

    #[tokio::test]
    async fn nginx_takes_a_thousand_blocks_and_finds_each_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let origins = origins();
        assert!(origins.len() > 1000, "{} were accepted", origins.len());
        let address =
            |origin: &Origin| SocketAddr::new(origin.literal().unwrap_or([10, 0, 0, 1].into()), origin.port);
        let blocks: Vec<Block> = origins
            .iter()
            .map(|origin| route::Block::new(origin, vec![address(origin)]))
            .map(|block| Block {
                name: block.name.to_string(),
                addresses: block.addresses,
            })
            .collect();
        let text = render(&settings, &blocks).unwrap();
        test(&settings, &text).await.unwrap();
        let opened = text
            .body
            .lines()
            .filter(|line| line.trim_start().starts_with("upstream b_"))
            .count();
        assert_eq!(opened, blocks.len());
        for block in blocks.iter().take(50) {
            let line = 1 + text
                .body
                .lines()
                .position(|line| line.contains(&format!("upstream {} ", block.name)))
                .unwrap();
            assert_eq!(
                text.block_at(line + 1),
                Some(block.name.as_str()),
                "a fault is traced to its block"
            );
        }
        assert_eq!(text.block_at(3), None);
        // The same site is the same text, and another site another.
        assert_eq!(render(&settings, &blocks).unwrap(), text);
        assert_ne!(render(&settings, &[]).unwrap().hash, text.hash);
    }
}
