//! Accepting connections: unix sockets that only their owner opens, TCP when there is no nginx.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use std::convert::Infallible;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::tasks::Tasks;
use crate::web::Arrival;

/// hyper takes 100 by default; requests with more than the gate accepts should be refused in words, not by the parser.
const MOST_HEADERS: usize = 512;
/// How long a client may take to send its headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left), so long until the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Take as many file descriptors as the system gives: the soft limit of a shell is less than streams and listeners need.
pub(super) fn raise_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the limit of open files stays as it is"
        );
    }
}

/// Bind a socket that only we may open; a stale one is removed, because the lock says that nobody uses it.
pub(super) fn unix(path: &Path) -> std::io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What answers the requests of a connection: an axum router, or the gate's two doors.
pub(super) trait Routes:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<R> Routes for R where
    R: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serve a unix socket until `stop`.
pub(super) async fn serve_unix<R: Routes>(
    listener: UnixListener,
    routes: R,
    tasks: Tasks,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connection(stream, routes.clone(), Arrival::Nginx, &tasks, &stop),
                Err(error) => pause(&error).await,
            }
        }
    }
}

/// Serve a TCP listener until `stop`.
pub(super) async fn serve_tcp<R: Routes>(
    listener: TcpListener,
    routes: R,
    tasks: Tasks,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connection(stream, routes.clone(), Arrival::Direct(peer.ip()), &tasks, &stop),
                Err(error) => pause(&error).await,
            }
        }
    }
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "a connection could not be accepted"
    );
    tokio::time::sleep(PAUSE).await;
}

fn connection<S, R: Routes>(stream: S, routes: R, arrival: Arrival, tasks: &Tasks, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stop = stop.clone();
    tasks.spawn_call(async move {
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(arrival);
            routes.clone().oneshot(request.map(axum::body::Body::new))
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        // A connection that breaks is the client's affair; nothing is left to tell it.
        tokio::select! {
            ended = connection.as_mut() => drop(ended),
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                drop(connection.await);
            }
        }
    });
}
