//! What the bytes sent tell of HTTP/2 and gRPC peers.
//!
//! On a new connection nginx sends a preface before the request: magic words, a settings frame and a window update
//! (`ngx_http_grpc_connection_start`), and then the acknowledgement of the peer's settings. So the same request sends 73
//! bytes more on a new connection than on a reused one. Requests differ, so the log shows pairs of sizes 73 apart.
//!
//! That the peer speaks HTTP/2 at all is not logged. It is taken as shown when certainly new connections are only ever
//! found at the upper size of a pair, where chance would put them at the lower one too.

use super::New;
use super::serial::count;
use crate::summary::Merge;
use crate::summary::sizes::Sent;
use std::collections::BTreeMap;

/// Bytes that a new connection sends besides the request: 24 of magic words, 27 of settings, 13 of a window update, and 9
/// of the acknowledgement.
const PREFACE: u64 = 73;

/// The chance at which certain ones at upper sizes only are no accident.
const CHANCE: f64 = 0.01;

/// Kinds of requests may be 73 bytes apart by themselves, and are then taken for pairs. How likely that is shows in how
/// many sizes are about as far apart; above this many such accidents to be expected the bytes tell nothing.
const ACCIDENTS: f64 = 0.1;

/// Distances that are about as far, on each side.
const AROUND: u64 = 20;

/// Where more than this share of the attempts have a size without a pair, there is no estimate.
const MAX_UNKNOWN: f64 = 0.1;

/// The new connections of a peer, from its attempts by the bytes they sent; none where these tell nothing.
pub(super) fn new(sizes: &BTreeMap<u64, Sent>, connected: u64, new_certain: u64) -> Option<New> {
    let (mut low, mut high) = (Sent::default(), Sent::default());
    let mut bottoms = Vec::new();
    for (&size, &sent) in sizes {
        let has_lower = size.checked_sub(PREFACE).is_some_and(|size| sizes.contains_key(&size));
        let has_upper = sizes.contains_key(&(size + PREFACE));
        match (has_lower, has_upper) {
            (false, true) => low.merge(sent),
            (true, false) => high.merge(sent),
            // Alone, or a lower and an upper one at once: it may be either.
            _ => {}
        }
        if !has_lower {
            bottoms.push(size);
        }
    }
    let all = |sent: Sent| count(sent.undecided + sent.new_certain);
    let chance = (all(high) / (all(low) + all(high)))
        .powi(i32::try_from(high.new_certain).unwrap_or(i32::MAX));
    // Without pairs this is no number, which is not below.
    let shown = low.new_certain == 0 && high.new_certain > 0 && chance <= CHANCE;
    if !shown || accidents(&bottoms) > ACCIDENTS {
        return None;
    }
    let least = count(new_certain + high.undecided);
    let most = count(connected.saturating_sub(low.undecided));
    let unknown = most - least;
    let share = count(high.undecided) / count(high.undecided + low.undecided);
    let best = (unknown <= MAX_UNKNOWN * count(connected)).then_some(least + unknown * share);
    Some(New { least, most, best })
}

/// How many pairs of kinds of requests are to be expected that are [`PREFACE`] apart by accident.
fn accidents(bottoms: &[u64]) -> f64 {
    let near = |&size: &u64| {
        let from = bottoms.partition_point(|&other| other < size + PREFACE - AROUND);
        let to = bottoms.partition_point(|&other| other <= size + PREFACE + AROUND);
        to - from
    };
    let pairs: usize = bottoms.iter().map(near).sum();
    count(pairs as u64) / count(2 * AROUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes with their undecided and certainly new attempts; least, most and best.
    fn judge(sizes: &[(u64, u64, u64)]) -> Option<(f64, f64, Option<f64>)> {
        let map: BTreeMap<u64, Sent> = sizes
            .iter()
            .map(|&(size, undecided, new_certain)| (size, Sent { undecided, new_certain }))
            .collect();
        let connected = map.values().map(|sent| sent.undecided + sent.new_certain).sum();
        let new_certain = map.values().map(|sent| sent.new_certain).sum();
        new(&map, connected, new_certain).map(|new| (new.least, new.most, new.best))
    }

    #[test]
    fn pairs_with_certain_ones_at_the_upper_size_tell() {
        assert_eq!(judge(&[(46, 95, 0), (119, 3, 2)]), Some((5.0, 5.0, Some(5.0))));
        assert_eq!(judge(&[(64, 993, 0), (137, 6, 1)]), Some((7.0, 7.0, Some(7.0))));
    }

    #[test]
    fn without_proof_of_http_2_nothing_is_told() {
        for (sizes, why) in [
            (vec![(46, 95, 0), (119, 5, 0)], "no certain one"),
            (vec![(46, 95, 1), (119, 5, 2)], "a certain one at the lower size"),
            (vec![(46, 50, 0), (119, 47, 3)], "three at the upper of two equal sizes are chance"),
            (vec![(119, 95, 5)], "no pair"),
            (vec![(46, 95, 0), (118, 0, 5)], "another distance"),
            (vec![], "nothing logged"),
        ] {
            assert_eq!(judge(&sizes), None, "{why}");
        }
    }

    #[test]
    fn sizes_without_a_pair_widen_the_interval() {
        assert_eq!(judge(&[(46, 95, 0), (119, 3, 2), (50, 900, 0)]), Some((5.0, 905.0, None)));
        // The middle one of three may be the upper or the lower of two.
        let three = judge(&[(46, 900, 0), (119, 50, 0), (192, 45, 5)]);
        assert_eq!(three.map(|(least, most, _)| (least, most)), Some((50.0, 100.0)));
    }

    #[test]
    fn requests_of_many_sizes_tell_nothing() {
        let many: Vec<(u64, u64, u64)> =
            (100..200).map(|size| (size, 10, 0)).chain([(250, 2, 10), (260, 2, 10)]).collect();
        assert_eq!(judge(&many), None);
    }
}
