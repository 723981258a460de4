//! Listeners, and routers that answer on them until the process ends.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::app::shutdown::Shutdown;

/// Takes the address before anything else is begun: a port in use is told at once.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}"))
}

/// Answers until the shutdown begins; requests that have begun are finished.
pub fn spawn(listener: TcpListener, router: Router, shutdown: &Shutdown) {
    let begun = shutdown.begun.clone();
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::trace!(%error, "a connection keeps its delay");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    shutdown.tasks.spawn(async move {
        let served = axum::serve(listener, service)
            .with_graceful_shutdown(begun.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "a listener failed");
        }
    });
}
