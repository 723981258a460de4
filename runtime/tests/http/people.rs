//! Registering, logging in and out, passwords and roles.

use serde_json::json;

use crate::stack::{Call, Person, Stack, URL, one_time_link};

#[tokio::test]
async fn a_session_lasts_from_log_in_to_log_out() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let me = stack.ask(Call::get("/api/v1/me").by(&pilot)).await;
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!(me.body["user"]["email"], "amelia@skyways.example");
    assert_eq!(me.body["user"]["roles"], json!(["Pilot"]));
    assert_eq!(me.body["tenant"]["icaoCode"], "SKY");
    assert_eq!(me.body["scopes"], json!(null));
    assert!(me.body["session"]["expiresAt"].is_string());
    let out = stack
        .ask(Call::new("POST", "/api/v1/auth/logout").by(&pilot))
        .await;
    assert_eq!(out.status, 204, "{out:?}");
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let me = stack.ask(Call::get("/api/v1/me").by(&pilot)).await;
    assert_eq!((me.status.as_u16(), me.problem()), (401, "unauthenticated"));
    assert!(me.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_from_none() {
    let stack = Stack::new().await;
    stack.pilot("amelia").await;
    for email in ["amelia@skyways.example", "nobody@skyways.example"] {
        let call = Call::new("POST", "/api/v1/auth/login");
        let body = json!({"email": email, "password": "wrong password!"});
        let refused = stack.ask(call.json(body)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (401, "invalid-credentials")
        );
    }
    for token in ["", "x", "000000000000_000000000000000000000000000000"] {
        let call = Call::new("POST", "/api/v1/auth/link");
        let refused = stack.ask(call.json(json!({"token": token}))).await;
        assert_eq!(refused.problem(), "invalid-credentials", "{token}");
    }
}

#[tokio::test]
async fn a_link_logs_in_once_and_lets_set_a_password() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let invite = json!({"email": "new@skyways.example", "displayName": "New"});
    let alone = Call::new("POST", "/api/v1/users").json(invite.clone());
    assert_eq!(stack.ask(alone).await.status, 422);
    let invited = Call::new("POST", "/api/v1/users").by(&admin).json(invite);
    let invited = stack.ask(invited).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    let token = one_time_link(invited.body["loginLink"].as_str().unwrap());
    let use_link = || Call::new("POST", "/api/v1/auth/link").json(json!({"token": token}));
    let person = Person::from_log_in(stack.ask(use_link()).await);
    assert_eq!(stack.ask(use_link()).await.problem(), "invalid-credentials");

    let set = |body| {
        Call::new("PUT", "/api/v1/me/password")
            .by(&person)
            .json(body)
    };
    let short = stack.ask(set(json!({"newPassword": "short"}))).await;
    assert_eq!(
        short.body["errors"][0]["pointer"], "/newPassword",
        "{short:?}"
    );
    let new = json!({"newPassword": "correct horse battery staple"});
    let changed = stack.ask(set(new)).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    let anew = Person {
        id: person.id.clone(),
        cookie: changed.cookie(),
    };
    assert_eq!(
        stack.ask(Call::get("/api/v1/me").by(&person)).await.status,
        401
    );
    assert_eq!(
        stack.ask(Call::get("/api/v1/me").by(&anew)).await.status,
        200
    );
    stack.log_in("new@skyways.example").await;
}

#[tokio::test]
async fn an_email_address_is_registered_once() {
    let stack = Stack::new().await;
    stack.pilot("amelia").await;
    let register = json!({"email": "Amelia@Skyways.Example", "displayName": "Other", "password": "correct horse battery"});
    let again = stack
        .ask(Call::new("POST", "/api/v1/users").json(register))
        .await;
    assert_eq!((again.status.as_u16(), again.problem()), (409, "conflict"));
    assert_eq!(again.body["code"], "email-taken");
}

#[tokio::test]
async fn roles_are_given_by_admins_within_bounds() {
    let stack = Stack::new().await;
    let (admin, host) = (stack.tenant_admin().await, stack.platform_admin().await);
    let pilot = stack.pilot("amelia").await;
    let set = |who: &Person, id: &str, roles: serde_json::Value| {
        let path = format!("/api/v1/users/{id}/roles");
        Call::new("PUT", &path)
            .by(who)
            .json(json!({ "roles": roles }))
    };
    let own = stack
        .ask(set(&pilot, &pilot.id, json!(["TenantAdmin"])))
        .await;
    assert_eq!(own.status, 403, "{own:?}");
    for who in [&admin, &host] {
        let platform = stack
            .ask(set(who, &pilot.id, json!(["PlatformAdmin"])))
            .await;
        assert!(
            [403, 409, 422].contains(&platform.status.as_u16()),
            "{platform:?}"
        );
    }
    let unknown = stack
        .ask(set(&admin, &pilot.id, json!(["Pilot", "Emperor"])))
        .await;
    assert_eq!(
        unknown.body["errors"][0]["pointer"], "/roles/1",
        "{unknown:?}"
    );
    let managed = stack.ask(set(&host, &admin.id, json!(["Pilot"]))).await;
    assert_eq!(
        (managed.status.as_u16(), managed.problem()),
        (409, "managed")
    );
    let given = stack
        .ask(set(&admin, &pilot.id, json!(["Pilot", "Reviewer"])))
        .await;
    assert_eq!(
        given.body["roles"],
        json!(["Reviewer", "Pilot"]),
        "{given:?}"
    );
    let stale = set(&admin, &pilot.id, json!(["Pilot"])).header("if-match", "\"1\"");
    assert_eq!(stack.ask(stale).await.status, 412);
    let list = Call::get("/api/v1/users?search=amelia").by(&admin);
    let list = stack
        .ask(list.header("albatross-position", &given.position()))
        .await;
    assert_eq!(list.body["items"][0]["id"], pilot.id.as_str(), "{list:?}");
}

#[tokio::test]
async fn another_site_cannot_write_with_somebodys_cookie() {
    let stack = Stack::new().await;
    let pilot = stack.pilot("amelia").await;
    let out = || Call::new("POST", "/api/v1/auth/logout").header("cookie", &pilot.cookie);
    for origin in [
        "http://nordwind.localhost:8080",
        "null",
        "https://skyways.localhost:8080",
    ] {
        let refused = stack.ask(out().header("origin", origin)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (403, "origin-mismatch")
        );
    }
    assert_eq!(stack.ask(out()).await.problem(), "origin-mismatch");
    let body =
        json!({"email": "amelia@skyways.example", "password": "correct horse battery staple"});
    let log_in = Call::new("POST", "/api/v1/auth/login").header("origin", "http://evil.example");
    assert_eq!(
        stack.ask(log_in.json(body)).await.problem(),
        "origin-mismatch"
    );
    assert_eq!(stack.ask(out().header("origin", URL)).await.status, 204);
}

#[tokio::test]
async fn an_airline_that_is_not_declared_yet_says_so() {
    let stack = Stack::undeclared(crate::stack::generous()).await;
    let early = stack.ask(Call::get("/api/v1/airline")).await;
    assert_eq!(
        (early.status.as_u16(), early.problem()),
        (503, "unavailable")
    );
    stack.declare(json!({})).await;
    let airline = stack.ask(Call::get("/api/v1/airline")).await;
    assert_eq!(
        airline.body,
        json!({"displayName": "Skyways", "icaoCode": "SKY"})
    );
}

#[tokio::test]
async fn an_admin_suspends_a_user_and_says_why_and_reinstates_them() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let path = format!("/api/v1/users/{}", pilot.id);
    let suspend = |who: &Person, body| {
        let call = Call::new("POST", &format!("{path}/suspend")).by(who);
        call.named().json(body)
    };
    let why = || json!({"reason": "flew under the bridge"});
    assert_eq!(stack.ask(suspend(&pilot, why())).await.status, 403);
    for silent in [json!({}), json!({"reason": " "})] {
        let refused = stack.ask(suspend(&admin, silent)).await;
        assert_eq!(refused.body["errors"][0]["pointer"], "/reason");
    }
    let suspended = stack.ask(suspend(&admin, why())).await;
    assert_eq!(suspended.status, 200, "{suspended:?}");
    assert_eq!(suspended.body["status"], "Suspended");
    let me = || Call::get("/api/v1/me").by(&pilot);
    assert_eq!(stack.ask(me()).await.status, 401);
    let reinstate = Call::new("POST", &format!("{path}/reinstate")).by(&admin);
    let reinstated = stack.ask(reinstate.json(json!({}))).await;
    assert_eq!(reinstated.body["status"], "Active", "{reinstated:?}");
    stack.log_in("amelia@skyways.example").await;
    let own = Call::new("POST", &format!("/api/v1/users/{}/suspend", admin.id)).by(&admin);
    assert_eq!(stack.ask(own.json(why())).await.status, 409);
}

#[tokio::test]
async fn an_airline_is_set_up_by_its_admins() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let rita = stack.reviewer("rita", &admin).await;
    let read = stack.ask(Call::get("/api/v1/settings").by(&rita)).await;
    let usual = json!({"selfReview": false, "accentColor": null, "registration": "Open"});
    assert_eq!(read.body, usual);
    let set = |who: &Person, body| {
        let call = Call::new("PUT", "/api/v1/settings").by(who);
        call.header("if-match", &read.etag()).json(body)
    };
    let new = || json!({"selfReview": true, "accentColor": "#0e7490", "registration": "Open"});
    assert_eq!(stack.ask(set(&rita, new())).await.status, 403);
    for (member, wrong) in [("accentColor", "blue"), ("registration", "Closed")] {
        let mut body = new();
        body[member] = json!(wrong);
        let wrong = stack.ask(set(&admin, body)).await;
        let pointer = wrong.body["errors"][0]["pointer"].as_str();
        assert_eq!(pointer, Some(format!("/{member}").as_str()), "{wrong:?}");
    }
    let blind = Call::new("PUT", "/api/v1/settings").by(&admin);
    assert_eq!(stack.ask(blind.json(new())).await.status, 428);
    let changed = stack.ask(set(&admin, new())).await;
    assert_eq!((changed.status.as_u16(), &changed.body), (200, &new()));
    assert_eq!(stack.ask(set(&admin, new())).await.status, 412);
    let read = Call::get("/api/v1/settings").by(&rita);
    let read = read.header("albatross-position", &changed.position());
    assert_eq!(stack.ask(read).await.body, new());

    // From then on staff decide flights of their own.
    let (path, seen) = stack.submitted(&rita).await;
    let accept = Call::new("POST", &format!("{path}/accept")).by(&rita);
    let accept = accept
        .header("if-match", &seen)
        .json(json!({"credit": "full"}));
    let accepted = stack.ask(accept).await;
    assert_eq!(accepted.body["state"], "Accepted", "{accepted:?}");
}

/// As it is from then on, by an admin who saw that version.
async fn take_pilots(stack: &Stack, admin: &Person, seen: &str, registration: &str) -> String {
    let settings = json!({"selfReview": false, "registration": registration});
    let set = Call::new("PUT", "/api/v1/settings").by(admin);
    let set = stack.ask(set.header("if-match", seen).json(settings)).await;
    assert_eq!(set.status, 200, "{set:?}");
    set.etag()
}

async fn settings_version(stack: &Stack, admin: &Person) -> String {
    let read = Call::get("/api/v1/settings").by(admin);
    stack.ask(read).await.etag()
}

fn registration(name: &str) -> serde_json::Value {
    let email = format!("{name}@skyways.example");
    json!({"email": email, "displayName": name, "password": "correct horse battery staple"})
}

fn log_in(name: &str, password: &str) -> Call {
    let body = json!({"email": format!("{name}@skyways.example"), "password": password});
    Call::new("POST", "/api/v1/auth/login").json(body)
}

#[tokio::test]
async fn whoever_registers_waits_for_an_admin_where_the_airline_approves() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let rita = stack.reviewer("rita", &admin).await;
    let seen = settings_version(&stack, &admin).await;
    take_pilots(&stack, &admin, &seen, "Approval").await;
    let register = Call::new("POST", "/api/v1/users");
    let registered = stack.ask(register.json(registration("amelia"))).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(registered.body["status"], "Pending");

    let right = || log_in("amelia", "correct horse battery staple");
    let waits = stack.ask(right()).await;
    let outcome = (waits.status.as_u16(), waits.problem());
    assert_eq!(outcome, (403, "awaiting-approval"), "{waits:?}");
    assert!(!waits.headers.contains_key("set-cookie"));
    // Nobody else learns that there is such an account.
    let wrong = stack.ask(log_in("amelia", "wrong password!")).await;
    assert_eq!(wrong.problem(), "invalid-credentials");

    let list = Call::get("/api/v1/users?status=Pending").by(&rita);
    let list = list.header("albatross-position", &registered.position());
    let list = stack.ask(list).await;
    let id = list.body["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(registered.body["id"], id.as_str(), "{list:?}");
    let approve = |who: &Person| {
        let call = Call::new("POST", &format!("/api/v1/users/{id}/approve")).by(who);
        call.json(json!({}))
    };
    assert_eq!(stack.ask(approve(&rita)).await.status, 403);
    let stale = approve(&admin).header("if-match", "\"1\"");
    assert_eq!(stack.ask(stale).await.status, 412);
    let approved = stack.ask(approve(&admin)).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    assert_eq!(approved.body["status"], "Active");
    let again = stack.ask(approve(&admin)).await;
    assert_eq!(again.etag(), approved.etag(), "nothing is left to approve");
    stack.log_in("amelia@skyways.example").await;
}

#[tokio::test]
async fn whoever_is_invited_waits_for_nobody_and_nobody_else_comes_where_pilots_are_invited() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let register = |name: &str| Call::new("POST", "/api/v1/users").json(registration(name));
    let mut seen = settings_version(&stack, &admin).await;
    seen = take_pilots(&stack, &admin, &seen, "InviteOnly").await;
    let refused = stack.ask(register("amelia")).await;
    let outcome = (refused.status.as_u16(), refused.problem());
    assert_eq!(outcome, (403, "forbidden"), "{refused:?}");
    assert_eq!(refused.body["code"], "invite-only");
    for (policy, name) in [("InviteOnly", "bessie"), ("Approval", "jacqueline")] {
        seen = take_pilots(&stack, &admin, &seen, policy).await;
        let invited = stack.ask(register(name).by(&admin)).await;
        assert_eq!(invited.body["status"], "Active", "{invited:?}");
        stack.log_in(&format!("{name}@skyways.example")).await;
    }
    take_pilots(&stack, &admin, &seen, "Open").await;
    let open = stack.ask(register("amelia")).await;
    assert_eq!(open.body["status"], "Active", "{open:?}");
}

#[tokio::test]
async fn a_person_erases_themselves_for_good() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let flight = stack.flight(&pilot).await;
    let erase = || Call::new("DELETE", "/api/v1/me");
    let by_key = stack.ask(erase().key(&key)).await;
    assert_eq!(by_key.status, 403, "a leaked key must not");
    let erased = stack.ask(erase().by(&pilot)).await;
    assert_eq!(erased.status, 204, "{erased:?}");
    let cookie = erased.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    for call in [
        Call::get("/api/v1/me").by(&pilot),
        Call::get("/api/v1/me").key(&key),
    ] {
        assert_eq!(stack.ask(call).await.status, 401);
    }
    let path = format!("/api/v1/users/{}", pilot.id);
    let read = Call::get(&path).by(&admin);
    let left = read.header("albatross-position", &erased.position());
    let left = stack.ask(left).await;
    assert_eq!(left.body["status"], "Erased", "{left:?}");
    assert_eq!(left.body["displayName"], json!(null));
    let flown = stack.ask(Call::get(&flight).by(&admin)).await;
    assert_eq!(flown.status, 200, "{flown:?}");
    assert_eq!(stack.ask(erase().by(&admin)).await.status, 409);
}

#[tokio::test]
async fn an_admin_erases_a_person_for_good() {
    let stack = Stack::new().await;
    let admin = stack.tenant_admin().await;
    let pilot = stack.pilot("amelia").await;
    let key = stack.key(&pilot, &["pireps:read"]).await;
    let erase = |id: &str, by: &Person| {
        Call::new("POST", &format!("/api/v1/users/{id}/erase"))
            .by(by)
            .json(json!({}))
    };
    let erased = stack.ask(erase(&pilot.id, &admin)).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(erased.body["status"], "Erased");
    assert_eq!(erased.body["email"], json!(null));
    assert_eq!(erased.body["displayName"], json!(null));
    let again = stack.ask(erase(&pilot.id, &admin)).await;
    assert_eq!(
        (again.status.as_u16(), again.position()),
        (200, erased.position())
    );
    for call in [
        Call::get("/api/v1/me").by(&pilot),
        Call::get("/api/v1/me").key(&key),
    ] {
        assert_eq!(stack.ask(call).await.status, 401);
    }
    let last = stack.ask(erase(&admin.id, &admin)).await;
    assert_eq!(last.status, 409, "{last:?}");
}
