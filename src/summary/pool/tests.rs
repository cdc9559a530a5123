use super::*;
use proptest::prelude::*;

fn flight(start: i64, lasted: u32) -> Flight {
    Flight { earliest_start: start, latest_start: start, lasted: Some(lasted), new: false }
}

fn of(flights: &[Flight]) -> Pool {
    let mut pool = Pool::default();
    for flight in flights {
        pool.record(*flight);
    }
    pool
}

#[test]
fn those_in_flight_at_once_hold_a_connection_each() {
    for (flights, opened) in [
        (vec![], 0),
        (vec![flight(0, 3)], 1),
        (vec![flight(0, 100), flight(50, 100), flight(90, 100)], 3),
        (vec![flight(0, 100), flight(100, 100), flight(200, 100)], 1),
        // They overlap by less than the clocks' slack.
        (vec![flight(0, 100), flight(97, 100)], 1),
        (vec![flight(0, 100), flight(95, 100)], 2),
    ] {
        assert_eq!(of(&flights).opened(), opened, "{flights:?}");
    }
}

#[test]
fn certainly_new_ones_after_the_busiest_instant_count_besides() {
    let new = |start, lasted| Flight { new: true, ..flight(start, lasted) };
    let busy = [flight(0, 100), flight(10, 100)];
    assert_eq!(of(&[busy[0], busy[1], new(500, 50), new(900, 50)]).opened(), 4);
    // Before the busiest instant they may be the ones in flight.
    assert_eq!(of(&[new(0, 50), flight(200, 100), flight(200, 100)]).opened(), 2);
}

#[test]
fn an_uncertain_start_shortens_the_flight() {
    let vague = Flight { latest_start: 90, ..flight(0, 100) };
    assert_eq!(of(&[vague, flight(20, 60)]).opened(), 1);
    assert_eq!(of(&[vague, flight(91, 60)]).opened(), 2);
    // Its end is not known: an upgraded connection.
    let open = Flight { lasted: None, ..flight(0, 0) };
    assert_eq!(of(&[open, flight(0, 100)]).opened(), 1);
}

#[test]
fn too_many_workers_keep_the_same_ones_in_any_order_and_split() {
    let log: Arc<str> = "access.log".into();
    let of = |pids: &mut dyn Iterator<Item = u64>| {
        let mut pools = Pools::default();
        for pid in pids {
            if let Some(pool) = pools.of(&Worker::new(&log, Some(pid))) {
                pool.record(flight(0, 100));
            }
        }
        pools
    };
    let forward = of(&mut (0..200).chain(0..200));
    assert_eq!(forward, of(&mut (0..200).rev().chain((0..200).rev())));
    let mut merged = of(&mut (0..100));
    merged.merge(of(&mut (0..200).chain(100..200).rev()));
    assert_eq!(forward, merged);
    assert_eq!(forward.iter().count(), MAX_WORKERS);
    assert!(forward.iter().all(|(_, pool)| pool.connected == 2), "what is kept is whole");
}

fn any_flight() -> impl Strategy<Value = Flight> {
    let start = prop_oneof![0i64..300, 0i64..20_000, any::<i32>().prop_map(i64::from)];
    let lasted = prop_oneof![Just(None), (0u32..10_000).prop_map(Some)];
    (start, 0i64..20, lasted, any::<bool>()).prop_map(|(start, gap, lasted, new)| Flight {
        earliest_start: start,
        latest_start: start + gap,
        lasted,
        new,
    })
}

proptest! {
    #[test]
    fn any_order_and_split_gives_the_same(
        mut flights in prop::collection::vec(any_flight(), 0..200), cut in 0usize..200,
    ) {
        let whole = of(&flights);
        let cut = cut.min(flights.len());
        let mut parts = of(&flights[cut..]);
        parts.merge(of(&flights[..cut]));
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(parts.opened(), whole.opened());
        flights.reverse();
        prop_assert_eq!(&of(&flights), &whole);
    }

    /// The bound against a worker that reuses whatever it can, with starts and ends known exactly.
    #[test]
    fn no_pool_can_do_with_fewer_connections(
        spans in prop::collection::vec((0i64..20_000, 0u32..2000), 1..150),
    ) {
        let mut spans = spans;
        spans.sort_unstable();
        let mut ends: Vec<i64> = Vec::new();
        let mut flights = Vec::new();
        for (start, lasted) in spans {
            let end = start + i64::from(lasted);
            let idle = ends.iter().position(|&end| end <= start);
            match idle {
                Some(at) => ends[at] = end,
                None => ends.push(end),
            }
            flights.push(Flight { new: idle.is_none() && start % 3 == 0, ..flight(start, lasted) });
        }
        prop_assert!(of(&flights).opened() <= ends.len() as u64);
    }
}
