//! Silence: a flight that is not heard of any more, and how it is finished from its track.

use albatross::adapters::memory;
use albatross::application::contact::Contact;
use albatross::application::error::ServiceError;
use albatross::application::pireps::{Accept, FilePirep, Submit};
use albatross::application::write::WriteOptions;
use albatross::domain::pirep::{Credit, PirepCommand, PirepState, Report, SourceKind};
use albatross::domain::refusal::RefusalKind;
use albatross::domain::roles::Role;
use albatross::ports::track_store::Sample;
use jiff::{SignedDuration, Timestamp};

use crate::faulty_tracks::FaultyTracks;
use crate::stage::*;

/// Off-block, take-off and an hour of cruise; then nothing more comes.
fn cut_off() -> Vec<Sample> {
    let phase = |sequence| match sequence {
        0..2 => "BST",
        2..5 => "TXI",
        5..7 => "TOF",
        _ => "ENR",
    };
    let samples = (0..70).map(|sequence| Sample {
        fuel_kg: Some(61_000 - 100 * sequence),
        phase: Some(phase(sequence).to_owned()),
        ..sample(sequence, if sequence < 5 { 10 } else { 400 })
    });
    samples.collect()
}

#[tokio::test]
async fn contact_is_lost_by_when_the_server_heard_of_a_flight_last() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    let contact = async || {
        let view = stage.airline.pireps.get(&bob, id).await.unwrap();
        (view.contact, view.track.last_received_at)
    };
    stage.clock.advance(SignedDuration::from_hours(13));
    assert_eq!(contact().await, (None, None), "it never had a position");

    // The client's times are years ago: they do not count.
    let heard = stage.airline_now();
    stage.positions(&bob, id, cut_off()).await;
    for (wait, expected) in [
        (0, Contact::Current),
        (599, Contact::Current),
        (1, Contact::Lost),
        (12 * 3_600 - 601, Contact::Lost),
        (1, Contact::Silent),
    ] {
        stage.clock.advance(SignedDuration::from_secs(wait));
        assert_eq!(contact().await, (Some(expected), Some(heard)), "{wait}");
    }
    let again = stage.airline_now();
    stage.positions(&bob, id, vec![sample(70, 400)]).await;
    assert_eq!(contact().await, (Some(Contact::Current), Some(again)));

    let pireps = &stage.airline.pireps;
    let pause = pireps.act(&bob, id, PirepCommand::Pause, WriteOptions::default());
    pause.await.unwrap();
    stage.airline.catch_up().await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(13));
    assert_eq!(contact().await.0, None, "who pauses says so");
}

#[tokio::test]
async fn a_flight_that_fell_silent_is_finished_from_its_track() {
    let stage = Stage::new().await;
    let bob = stage.pilot("Bob").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let eve = stage.pilot("Eve").await;
    let pireps = &stage.airline.pireps;
    for (who, fuel_used_kg) in [(&bob, None), (&rita, Some(7_000))] {
        let id = stage.prefiled(&bob).await.entity.id;
        let said = Report {
            fuel_used_kg,
            ..Report::default()
        };
        let said = FilePirep {
            report: Some(said),
            ..flight("SKY1")
        };
        let said = pireps.put(&bob, id, said, WriteOptions::default());
        said.await.unwrap();
        // One was lost: only the off-block before it is noted on the way.
        let mut track = cut_off();
        track.remove(4);
        stage.positions(&bob, id, track).await;
        let noted = pireps.current(&bob, id).await.unwrap().pirep.milestones;
        assert_eq!(noted.len(), 1);
        stage.airline.catch_up().await.unwrap();
        stage.clock.advance(SignedDuration::from_mins(719));
        let early = pireps.finish(who, id, WriteOptions::default()).await;
        assert_eq!(refused(early).1, RefusalKind::IllegalTransition);
        stage.clock.advance(SignedDuration::from_mins(1));
        let stranger = pireps.finish(&eve, id, WriteOptions::default()).await;
        assert_eq!(refused(stranger).1, RefusalKind::Forbidden);

        // Whoever tries something else is told.
        let resume = pireps.act(who, id, PirepCommand::Restore, WriteOptions::default());
        match resume.await {
            Err(albatross::application::error::ServiceError::Refused(refusal)) => {
                assert!(refusal.allowed.contains(&"finish"), "{refusal:?}");
            }
            other => panic!("{other:?}"),
        }
        let finished = pireps.finish(who, id, WriteOptions::default()).await;
        let pirep = finished.unwrap().entity.pirep;
        assert_eq!(pirep.state, PirepState::Submitted);
        assert_eq!(pirep.source.kind, SourceKind::Acars);
        let minute = |minute: i64| Timestamp::from_second(1_700_000_000 + 60 * minute).ok();
        let report = pirep.report;
        assert_eq!(
            (report.off_block_at, report.on_block_at),
            (minute(2), minute(69))
        );
        assert_eq!(
            (report.take_off_at, report.landing_at),
            (minute(5), minute(69))
        );
        assert_eq!(
            (report.block_time_min, report.flight_time_min),
            (Some(67), Some(64))
        );
        assert_eq!(report.fuel_used_kg, fuel_used_kg.or(Some(6_700)));
        assert_eq!(pirep.last_sequence, Some(69));
        assert_eq!(pirep.milestones.len(), 2);
    }
}

#[tokio::test]
async fn what_staff_finish_for_a_suspended_pilot_is_held() {
    let stage = Stage::new().await;
    let ada = stage.person("Ada", &[Role::TenantAdmin]).await;
    let bob = stage.pilot("Bob").await;
    let id = stage.prefiled(&bob).await.entity.id;
    stage.positions(&bob, id, cut_off()).await;
    let reason = "no flight in a year".to_owned();
    let users = &stage.airline.users;
    let suspended = users.suspend(&ada, bob.user(), reason, WriteOptions::default());
    suspended.await.unwrap();
    // Whether the list of users shows it already does not matter.
    stage.clock.advance(SignedDuration::from_hours(12));
    let pireps = &stage.airline.pireps;
    let finished = pireps.finish(&ada, id, WriteOptions::default()).await;
    assert!(finished.unwrap().entity.pirep.held);
}

#[tokio::test]
async fn the_track_is_read_by_whoever_may_end_the_flight_and_nobody_else() {
    let mut stores = memory::open();
    let tracks = FaultyTracks::over(stores.tracks.clone());
    stores.tracks = tracks.clone();
    let events = stores.events.clone();
    let stage = Stage::over(stores, events).await;
    let bob = stage.pilot("Bob").await;
    let eve = stage.pilot("Eve").await;
    let rita = stage.person("Rita", &[Role::Reviewer]).await;
    let id = stage.prefiled(&bob).await.entity.id;
    stage.positions(&bob, id, cut_off()).await;
    // Whoever reads of it is answered that it is damaged.
    let damage = |damaged: bool| *tracks.undecodable.lock().unwrap() = damaged.then_some(id.0);
    let pireps = &stage.airline.pireps;
    let submit = |who| pireps.submit(who, id, Submit::default(), WriteOptions::default());
    let finish = |who| pireps.finish(who, id, WriteOptions::default());

    damage(true);
    for who in [&eve, &rita] {
        assert_eq!(refused(submit(who).await).1, RefusalKind::Forbidden);
    }
    for who in [&bob, &rita] {
        let early = finish(who).await;
        assert_eq!(refused(early).1, RefusalKind::IllegalTransition);
    }
    let read = submit(&bob).await;
    assert!(matches!(read, Err(ServiceError::Corrupt(_))), "{read:?}");
    stage.clock.advance(SignedDuration::from_hours(13));
    assert_eq!(refused(finish(&eve).await).1, RefusalKind::Forbidden);
    let read = finish(&rita).await;
    assert!(matches!(read, Err(ServiceError::Corrupt(_))), "{read:?}");

    damage(false);
    let version = submit(&bob).await.unwrap().version;
    damage(true);
    assert_eq!(
        refused(submit(&bob).await).1,
        RefusalKind::IllegalTransition
    );
    let accept = Accept {
        credit: Credit::Full,
        comment: None,
    };
    let accepted = pireps.accept(&rita, id, accept, seen(version));
    accepted.await.unwrap();
    assert_eq!(
        refused(submit(&bob).await).1,
        RefusalKind::IllegalTransition
    );
    assert_eq!(
        refused(finish(&bob).await).1,
        RefusalKind::IllegalTransition
    );
}
