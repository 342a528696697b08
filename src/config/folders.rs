//! Where things are in the data folder; the daemon and the command line must mean the same places.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A unix socket's path has at most so many bytes (`sun_path`, with its end).
const MOST_SOCKET_PATH: usize = 107;
/// The longest name in the run folder.
const LONGEST_NAME: usize = "/probe.sock".len();

/// The places of one data folder.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The data folder itself, absolute.
    pub data: PathBuf,
    /// Sockets and process records (0700).
    pub run: PathBuf,
    /// nginx's own folder.
    pub nginx: PathBuf,
    /// Logs of nginx.
    pub logs: PathBuf,
    /// The folder outside the data folder that some of these lie in, if they do.
    pub runtime: Option<PathBuf>,
}

impl Folders {
    /// The places of `data`. When its path is too long for a socket, or holds characters that may not stand in
    /// nginx.conf, what nginx must name moves to a short runtime folder.
    pub fn of(data: &Path) -> std::io::Result<Self> {
        let data = std::path::absolute(data)?;
        let text = data.to_string_lossy();
        let inert = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-_.+@,:=~ ".contains(c));
        let short = text.len() + "/run".len() + LONGEST_NAME <= MOST_SOCKET_PATH;
        let runtime = (!inert || !short).then(|| runtime_folder(&data));
        let home = if inert {
            &data
        } else {
            runtime.as_ref().unwrap_or(&data)
        };
        Ok(Self {
            run: runtime.as_ref().unwrap_or(&data).join("run"),
            nginx: home.join("nginx"),
            logs: home.join("logs"),
            runtime: runtime.clone(),
            data: data.clone(),
        })
    }

    /// The lock that one daemon holds.
    pub fn lock(&self) -> PathBuf {
        self.data.join("gatehouse.lock")
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.data.join("gatehouse.db")
    }

    /// The signing keys.
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys")
    }

    /// The generated password of the first start.
    pub fn initial_password(&self) -> PathBuf {
        self.data.join("initial-admin-password")
    }

    /// Where nginx asks.
    pub fn gate_socket(&self) -> PathBuf {
        self.run.join("gate.sock")
    }

    /// Where pages and API are.
    pub fn web_socket(&self) -> PathBuf {
        self.run.join("web.sock")
    }

    /// Where the command line asks.
    pub fn admin_socket(&self) -> PathBuf {
        self.run.join("admin.sock")
    }
}

fn runtime_folder(data: &Path) -> PathBuf {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let name = hex::encode(digest.get(..6).unwrap_or_default());
    let user = rustix::process::geteuid().as_raw();
    #[expect(clippy::disallowed_methods, reason = "this part reads the environment")]
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| {
            let text = dir.to_string_lossy();
            text.len() < 60
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c))
                && dir.is_dir()
        });
    base.unwrap_or_else(|| PathBuf::from("/tmp"))
        .join(format!("gatehouse-{user}-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_room_and_nginx_can_name_its_folders() {
        let plain = Folders::of(Path::new("/srv/gatehouse/data")).unwrap();
        assert_eq!(
            plain.gate_socket(),
            Path::new("/srv/gatehouse/data/run/gate.sock")
        );
        let long = Folders::of(&PathBuf::from(format!("/srv/{}", "x".repeat(100)))).unwrap();
        assert!(long.gate_socket().as_os_str().len() <= MOST_SOCKET_PATH);
        assert!(long.nginx.starts_with(&long.data));
        let odd = Folders::of(Path::new("/srv/\"; include x;/ü")).unwrap();
        for place in [&odd.run, &odd.nginx, &odd.logs] {
            assert!(
                !place.to_string_lossy().contains(['"', ';', 'ü']),
                "{}",
                place.display()
            );
        }
        assert_ne!(long.run, odd.run);
    }
}
