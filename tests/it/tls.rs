//! Servers behind https, and on IPv6: reached by their names, checked against the authority of the settings.
//!
//! The certificates lie in `tls/`: an authority, one for `localhost` and `127.0.0.1`, one for another name, and one of a former authority that has expired.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Gateway, Setup, Upstream, tool_call};

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/tls")
        .join(name)
}

/// An https server with one of the certificates; it remembers which names were asked for.
pub struct Secure {
    pub port: u16,
    names: Arc<Mutex<Vec<Option<String>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn secure(certificate: &str) -> Secure {
    let chain = CertificateDer::from_pem_file(file(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Arc::<Mutex<Vec<Option<String>>>>::default();
    let heard = Arc::clone(&names);
    let task = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                heard.lock().unwrap().push(name);
                let answer = hyper::service::service_fn(|_| async {
                    let body = http_body_util::Full::new(bytes::Bytes::from_static(b"{}"));
                    let answer = http::Response::builder().header("content-type", "application/json");
                    Ok::<_, std::convert::Infallible>(answer.body(body).unwrap())
                });
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                drop(serving.await);
            });
        }
    });
    Secure { port, names, task }
}

async fn status(gateway: &Gateway, mount: &str) -> u16 {
    gateway
        .admin()
        .mcp(&format!("{mount}/mcp"), &tool_call("x"))
        .await
        .status
}

#[tokio::test]
async fn certificates_are_checked_by_name_against_our_own_authority_either_way() {
    let (right, wrong) = (secure("localhost").await, secure("elsewhere").await);
    let authority = file("authority.pem");
    let setup = Setup::new().with(&["--upstream-ca-file", authority.to_str().unwrap()]);
    let gateway = setup.start();
    gateway
        .register("/named", &format!("https://localhost:{}", right.port))
        .await;
    gateway
        .register("/literal", &format!("https://127.0.0.1:{}", right.port))
        .await;
    gateway
        .register("/wrong", &format!("https://localhost:{}", wrong.port))
        .await;
    gateway
        .register("/other", &format!("https://127.0.0.2:{}", wrong.port))
        .await;
    // At first all are carried; then nginx has blocks for those with names.
    for blocks in [None, Some(2)] {
        if let Some(blocks) = blocks {
            gateway.until_blocks(blocks).await;
        }
        for (mount, expected) in [
            ("/named", 200),
            ("/literal", 200),
            ("/wrong", 502),
            ("/other", 502),
        ] {
            assert_eq!(status(&gateway, mount).await, expected, "{mount} {blocks:?}");
        }
    }
    let names = right.names.lock().unwrap();
    assert!(
        names.iter().flatten().all(|name| name == "localhost") && names.iter().flatten().count() >= 2,
        "{names:?}"
    );
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_believed() {
    let server = secure("localhost").await;
    let gateway = Gateway::new();
    gateway
        .register("/named", &format!("https://localhost:{}", server.port))
        .await;
    assert_eq!(status(&gateway, "/named").await, 502);
    gateway.until_blocks(1).await;
    assert_eq!(status(&gateway, "/named").await, 502);
}

#[tokio::test]
async fn a_server_on_ipv6_is_reached_either_way() {
    let upstream = Upstream::at("::1", None).await;
    let gateway = Gateway::new();
    assert!(upstream.url.starts_with("http://[::1]:"), "{}", upstream.url);
    let stored: Value = gateway
        .register("/six", &format!("{}/base/mcp?k=v", upstream.url))
        .await;
    assert_eq!(stored["state"], json!("live"));
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        let answer = gateway.admin().mcp("/six/mcp?a=1", &tool_call("x")).await;
        assert_eq!(answer.status, 200);
        let [got] = upstream.take().try_into().unwrap();
        assert_eq!(got.target, "/base/mcp?k=v&a=1");
        assert!(got.header("host").starts_with("[::1]:"));
    }
}
