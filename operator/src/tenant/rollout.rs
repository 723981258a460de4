//! Who may be moved to the operator's image now: canaries first, so many at once, and nobody once one has failed.

/// A tenant that the rollout concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub tenant: String,
    pub canary: bool,
    pub standing: Standing,
}

/// How far a tenant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Runs another image, and has yet to begin.
    Waiting,
    /// Is being moved; a canary also while it is not Ready for another reason.
    UnderWay,
    /// Did not become Ready, and has not been since.
    Failed,
    Done,
}

/// What a tenant that waits is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// A canary is not done.
    Canaries,
    /// As many as may be are under way.
    Turn,
    /// This tenant has failed.
    Stopped(String),
}

/// What the rollout says to one tenant that waits.
pub fn verdict(fleet: &[Member], canary: bool, most: usize) -> Verdict {
    let failed = fleet.iter().filter(|it| it.standing == Standing::Failed);
    if let Some(failed) = failed.map(|it| &it.tenant).min() {
        return Verdict::Stopped(failed.clone());
    }
    if !canary && fleet.iter().any(|it| it.canary && !is_done(it)) {
        return Verdict::Canaries;
    }
    if under_way(fleet) >= most {
        return Verdict::Turn;
    }
    Verdict::Go
}

/// Those that could go at once, by name: worth a look.
pub fn next(fleet: &[Member], most: usize) -> Vec<&str> {
    let may_go = |it: &&Member| {
        it.standing == Standing::Waiting && verdict(fleet, it.canary, most) == Verdict::Go
    };
    let mut next: Vec<&str> = fleet.iter().filter(may_go).map(|it| &*it.tenant).collect();
    next.sort_unstable();
    next.truncate(most.saturating_sub(under_way(fleet)));
    next
}

fn under_way(fleet: &[Member]) -> usize {
    let under_way = |it: &&Member| it.standing == Standing::UnderWay;
    fleet.iter().filter(under_way).count()
}

fn is_done(member: &Member) -> bool {
    member.standing == Standing::Done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn fleet(standings: &[(bool, Standing)]) -> Vec<Member> {
        let member = |(i, (canary, standing)): (usize, &(bool, Standing))| Member {
            tenant: format!("t{i}"),
            canary: *canary,
            standing: *standing,
        };
        standings.iter().enumerate().map(member).collect()
    }

    #[rstest]
    #[case::nobody_else(&[], false, Verdict::Go)]
    #[case::a_canary_waits(&[(true, Standing::Waiting)], false, Verdict::Canaries)]
    #[case::a_canary_goes(&[(true, Standing::Waiting)], true, Verdict::Go)]
    #[case::a_canary_is_not_ready(&[(true, Standing::UnderWay)], false, Verdict::Canaries)]
    #[case::canaries_are_done(&[(true, Standing::Done)], false, Verdict::Go)]
    #[case::another_is_under_way(&[(false, Standing::UnderWay)], false, Verdict::Go)]
    #[case::two_are(&[(false, Standing::UnderWay), (true, Standing::UnderWay)], true, Verdict::Turn)]
    #[case::one_failed(
        &[(true, Standing::Done), (false, Standing::Failed)], false, Verdict::Stopped("t1".to_owned())
    )]
    #[case::a_canary_failed(&[(true, Standing::Failed)], true, Verdict::Stopped("t0".to_owned()))]
    fn who_waits_is_told_why(
        #[case] others: &[(bool, Standing)],
        #[case] canary: bool,
        #[case] expected: Verdict,
    ) {
        assert_eq!(verdict(&fleet(others), canary, 2), expected);
    }

    #[test]
    fn no_more_are_called_than_may_go() {
        let waiting = (false, Standing::Waiting);
        let fleet = fleet(&[waiting, (false, Standing::UnderWay), waiting, waiting]);
        assert_eq!(next(&fleet, 3), ["t0", "t2"]);
        assert_eq!(next(&fleet, 1), [""; 0]);
    }

    /// What happens to a tenant when its turn in the story comes: by its standing, it asks, ends well or ill, or is mended.
    fn happen(fleet: &mut [Member], who: usize, well: bool, most: usize) {
        let (member, before) = (fleet[who].clone(), fleet.to_vec());
        let after = match member.standing {
            Standing::Waiting => match verdict(fleet, member.canary, most) {
                Verdict::Go => Standing::UnderWay,
                _ => return,
            },
            Standing::UnderWay if !well => Standing::Failed,
            Standing::UnderWay | Standing::Failed | Standing::Done => Standing::Done,
        };
        if after == Standing::UnderWay {
            assert!(before.iter().all(|it| it.standing != Standing::Failed));
            assert!(member.canary || before.iter().all(|it| !it.canary || is_done(it)));
        }
        fleet[who].standing = after;
        assert!(under_way(fleet) <= most);
    }

    proptest! {
        #[test]
        fn a_rollout_keeps_its_rules_and_ends(
            canaries in prop::collection::vec(any::<bool>(), 1..12),
            most in 1_usize..4,
            story in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..120),
        ) {
            let begun: Vec<_> = canaries.iter().map(|canary| (*canary, Standing::Waiting)).collect();
            let mut fleet = fleet(&begun);
            for (who, well) in story {
                let who = who.index(fleet.len());
                happen(&mut fleet, who, well, most);
            }
            // From now on all goes well: whoever is called goes, and whoever goes gets there.
            for _ in 0..=fleet.len() {
                for who in 0..fleet.len() {
                    if fleet[who].standing != Standing::Waiting {
                        happen(&mut fleet, who, true, most);
                    }
                }
                let called: Vec<String> = next(&fleet, most).into_iter().map(str::to_owned).collect();
                for who in called {
                    let who = fleet.iter().position(|it| it.tenant == who).unwrap();
                    happen(&mut fleet, who, true, most);
                    prop_assert_eq!(fleet[who].standing, Standing::UnderWay);
                }
            }
            prop_assert!(fleet.iter().all(is_done), "{:?}", fleet);
        }
    }
}
