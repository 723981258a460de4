//! One failure stays one: what a failed test leaves behind is in nobody else's way.

use std::net::TcpStream;

use albatross_tests::platform::Platform;
use albatross_tests::wait::until;
use kube::api::ListParams;
use serde_json::json;
use tokio::sync::oneshot;

#[tokio::test]
async fn the_api_server_of_a_failed_test_ends_with_it() {
    let (tell, told) = oneshot::channel();
    let failed = tokio::spawn(async {
        let platform = Platform::new().await;
        platform.declare("left-behind", json!({})).await;
        tell.send(platform.api_server.url()).unwrap();
        panic!("on purpose");
    });
    assert!(failed.await.unwrap_err().is_panic());
    let url = told.await.unwrap();
    let address = url.trim_start_matches("https://");
    until("nobody listens there", async || {
        TcpStream::connect(address).is_err()
    })
    .await;
    let next = Platform::new().await;
    let found = next.tenants().list_metadata(&ListParams::default()).await;
    assert!(found.unwrap().items.is_empty());
}
