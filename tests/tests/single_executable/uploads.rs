//! Whole flights of many pilots at once: what they take of the process's memory is bounded, and what one airline's take of that.
#![allow(
    clippy::disallowed_methods,
    reason = "a client names its flights at random"
)]

use albatross_tests::airline::Caller;
use albatross_tests::processes::Site;
use albatross_tests::wait::{until, within};
use reqwest::header::{HOST, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::EXAMPLES;

/// So many of the largest of one airline have room.
const HOLDERS: usize = 2;
/// Behind the JSON, so that the body is not one of the usual size.
const PADDING: usize = 1_200_000;

/// Registers a pilot of Skyways; their cookie.
async fn pilot(site: &Site, number: usize) -> String {
    let post = async |path: &str| {
        let url = format!("{}/api/v1{path}", site.address());
        let host = site.host("skyways");
        let (email, password) = (
            format!("pilot{number}@skyways.example"),
            "correct horse battery staple",
        );
        let pilot = json!({"email": email, "password": password, "displayName": "Pilot"});
        let log_in = json!({"email": email, "password": password});
        let body = match path {
            "/users" => pilot,
            _ => log_in,
        };
        let request = Client::new()
            .post(url)
            .header(ORIGIN, format!("http://{host}"))
            .header(HOST, host);
        let answer = request.json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
        answer
    };
    post("/users").await;
    let logged_in = post("/auth/login").await;
    let cookie = logged_in.headers()[SET_COOKIE].to_str().expect("text");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// Begins an upload of the largest size, and never ends it.
async fn hold(site: &Site, cookie: &str) -> TcpStream {
    let (host, id) = (site.host("skyways"), Uuid::new_v4());
    let mut connection = TcpStream::connect(("127.0.0.1", site.port))
        .await
        .expect("a connection");
    let head = format!(
        "PUT /api/v1/pireps/{id} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {cookie}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        8 << 20
    );
    let sent = [head.into_bytes(), vec![b' '; PADDING]].concat();
    connection.write_all(&sent).await.expect("it is read");
    connection
}

async fn file(caller: &Caller, padding: usize) -> Response {
    let flight = json!({
        "intent": "prefile",
        "source": {"kind": "Acars", "client": "test 1.0"},
        "plan": {"flightNumber": "NWD17", "departure": "EDDH", "arrival": "LOWW", "aircraftType": "A320"},
    });
    let path = format!("/pireps/{}", Uuid::new_v4());
    let request = caller.request(Method::PUT, &path);
    let request = request.header("content-type", "application/json");
    let body = flight.to_string() + &" ".repeat(padding);
    let answer = within("an answer", request.body(body).send()).await;
    answer.expect("an answer")
}

#[tokio::test]
async fn uploads_that_find_no_room_of_their_airlines_are_asked_to_come_again_and_small_ones_need_none()
 {
    let site = Site::of(&EXAMPLES);
    let _process = site.up().await;
    let mut cookies = Vec::new();
    for number in 0..HOLDERS {
        cookies.push(pilot(&site, number).await);
    }
    let (own, other) = (site.client("skyways"), site.client("nordwind"));
    assert_eq!(file(&own, PADDING).await.status(), StatusCode::CREATED);
    let mut held = Vec::new();
    for cookie in &cookies {
        held.push(hold(&site, cookie).await);
    }
    let mut refused = None;
    until("all its room is taken", async || {
        let answer = file(&own, PADDING).await;
        let is_refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        refused = Some(answer);
        is_refused
    })
    .await;
    let refused = refused.expect("it was refused");
    assert_eq!(refused.headers()["retry-after"], "5", "{refused:?}");
    assert_eq!(file(&own, 0).await.status(), StatusCode::CREATED);
    assert_eq!(file(&other, PADDING).await.status(), StatusCode::CREATED);
    drop(held);
    until("there is room again", async || {
        file(&own, PADDING).await.status() == StatusCode::CREATED
    })
    .await;
}
