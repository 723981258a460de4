//! How often somebody may fail.

use std::time::Duration;

use albatross::http::rate_limit::{Rate, Rates};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::stack::{Call, Stack, generous};

fn hourly(requests: u32) -> Rate {
    Rate {
        requests: requests.try_into().unwrap(),
        window: Duration::from_secs(3600),
    }
}

#[tokio::test]
async fn an_address_guesses_keys_and_sessions_so_often_and_no_more() {
    let rates = Rates {
        failures: hourly(5),
        ..generous()
    };
    let stack = Stack::with_rates(rates).await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let list = || Call::get("/api/v1/pireps");
    let wrong = key.replace(&key[5..17], "000000000000");
    let cookie = format!("{}x", pilot.cookie);
    for _ in 0..2 {
        assert_eq!(stack.ask(list().key(&wrong)).await.status, 401);
        // Who proves who they are is not bothered by others behind the same address.
        assert_eq!(stack.ask(list().key(&key)).await.status, 200);
        let guess = list().header("cookie", &cookie);
        assert_eq!(stack.ask(guess).await.status, 401);
        assert_eq!(stack.ask(list().by(&pilot)).await.status, 200);
    }
    assert_eq!(stack.ask(list().key(&wrong)).await.status, 401);
    for call in [list().key(&wrong), list().key(&key), list().by(&pilot)] {
        let refused = stack.ask(call).await;
        assert_eq!(refused.status, 429, "{refused:?}");
        assert_eq!(refused.headers["retry-after"], "720");
    }
    // What takes no credential goes on, also with an outlived cookie.
    let public = Call::get("/api/v1/airline").header("cookie", &cookie);
    assert_eq!(stack.ask(public).await.status, 200);
    stack.log_in("amelia@skyways.example").await;
}

#[tokio::test]
async fn positions_of_flights_that_are_not_there_are_counted_together() {
    let rates = Rates {
        general: hourly(3),
        ..generous()
    };
    let stack = Stack::with_rates(rates).await;
    let pilot = stack.pilot("amelia").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let path = format!("/api/v1/pireps/{}/positions", Uuid::new_v4());
        let call = Call::new("POST", &path).by(&pilot).json(json!({}));
        statuses.push(stack.ask(call).await.status);
    }
    let (missing, refused) = (StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(statuses, [missing, missing, missing, refused]);
}

#[tokio::test]
async fn the_addresses_of_one_network_log_in_so_often_together() {
    let rates = Rates {
        credentials: hourly(2),
        ..generous()
    };
    let stack = Stack::with_rates(rates).await;
    let mut statuses = Vec::new();
    for end in 1..4 {
        let call = Call::new("POST", "/api/v1/auth/login");
        let call = call.header("x-forwarded-for", &format!("2001:db8::{end}"));
        let body = json!({"email": "nobody@skyways.example", "password": "wrong wrong wrong"});
        statuses.push(stack.ask(call.json(body)).await.status);
    }
    let (wrong, refused) = (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(statuses, [wrong, wrong, refused]);
}
