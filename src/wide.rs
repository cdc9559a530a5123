//! What is done with 32 bytes at a time where the processor can (AVX2), and all of the unsafe code that there is.
//!
//! The loops are safe but for one thing: the processor must have the instructions that they are compiled to, which is asked
//! just before each call; what they are given to call needs nothing of it. Where it has not, nothing is done, and None says
//! so: a plain twin that gives the same stands where they are called, and tests hold one against the other.

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(test)]
thread_local! {
    static PLAINLY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Lets this thread do it as one whose processor can't.
#[cfg(test)]
pub(crate) fn plainly<T>(what: impl FnOnce() -> T) -> T {
    /// Also when a test fails.
    struct Until;
    impl Drop for Until {
        fn drop(&mut self) {
            PLAINLY.set(false);
        }
    }
    PLAINLY.set(true);
    let _until = Until;
    what()
}

/// Bytes of a line's end, or of a text, that are looked at together.
pub(crate) const WIDTH: usize = 64;

/// How the last bytes of lines usually look: what stands between numbers is the same in each, and so is their width.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// With 0 for any digit.
    pub(crate) usual: [u8; WIDTH],
    /// The bits that count: all of a byte, or none.
    pub(crate) counts: [u8; WIDTH],
    /// What is added to the difference from what is usual: the sum has its top bit, or is more than a byte holds, where they
    /// differ too much.
    pub(crate) added: [u8; WIDTH],
    /// Four numbers of up to four digits, if there are any.
    pub(crate) fours: Option<Digits>,
    /// One of up to sixteen, if there is one.
    pub(crate) sixteen: Option<Digits>,
}

impl Look {
    /// Does a text look so?
    #[inline]
    pub(crate) fn fits(&self, text: &[u8; WIDTH]) -> bool {
        let Look { usual, counts, added, .. } = self;
        let mut odd = 0;
        for at in 0..WIDTH {
            let differs = (text[at] ^ usual[at]) & counts[at];
            odd |= differs.saturating_add(added[at]);
        }
        odd & 0x80 == 0
    }
}

/// Which digits are read: sixteen of the bytes that differ from what is usual, the first one counting most, or none.
#[derive(Debug, Clone)]
pub(crate) struct Digits {
    /// For each of four parts of the text where the sixteen bytes stand in it, or [`Digits::NONE`].
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "none are read there"))]
    places: [u8; WIDTH],
}

impl Digits {
    /// Of a part no byte, but 0.
    const NONE: u8 = 0x80;
    const PART: usize = 16;

    /// These bytes of the text; the last of each four is the last digit of one of four numbers.
    pub(crate) fn new(bytes: [Option<usize>; 16]) -> Self {
        let mut places = [Digits::NONE; WIDTH];
        for (to, from) in bytes.into_iter().enumerate() {
            let Some(from) = from else { continue };
            places[from / Digits::PART * Digits::PART + to] =
                u8::try_from(from % Digits::PART).unwrap_or(Digits::NONE);
        }
        Digits { places }
    }
}

/// What was read of a line. Of digits that nobody asked for it is 0.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "none are read there"))]
pub(crate) struct Numbers {
    pub(crate) fours: [u64; 4],
    pub(crate) sixteen: u64,
}

/// Does the processor have what the loops are compiled to: AVX2, BMI1 and LZCNT?
#[cfg(target_arch = "x86_64")]
#[inline]
fn is_able() -> bool {
    #[cfg(test)]
    if PLAINLY.get() {
        return false;
    }
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("lzcnt")
}

/// Tells `usual` of each line whose end, as `text` gives it, looks as usual, by its place, and gives the bits of the places of
/// all others: of no more lines than bits.
#[inline]
pub(crate) fn ends<'a, L>(
    look: &Look,
    lines: &mut [L],
    text: impl Fn(&L) -> Option<&'a [u8; WIDTH]>,
    usual: impl FnMut(usize, &mut L, &'a [u8; WIDTH], Numbers),
) -> Option<u32> {
    debug_assert!(lines.len() <= u32::BITS as usize);
    #[cfg(target_arch = "x86_64")]
    if is_able() {
        #[expect(unsafe_code, reason = "the compiler can't know what processor it will be")]
        // SAFETY: a safe function but for its `target_feature`: the processor must have AVX2, BMI1 and LZCNT, and was asked
        // for them just above.
        return Some(unsafe { avx2::ends(look, lines, text, usual) });
    }
    let _ = (look, lines, text, usual);
    None
}

/// A byte that is looked for from one end of a text; on the way to it all bytes are at least some other, and none is a quote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) byte: u8,
    /// With 0 the bytes may be any, quotes too.
    pub(crate) least: u8,
}

/// Bytes in which a [`Mark`] is looked for.
pub(crate) const NEAR: usize = 32;

/// Tells `found` of each line the last place of a byte in its end, as `text` gives it, and gives the bits of those lines where
/// there is none, or where `found` says that it is not done. There are no more lines than bits.
#[inline]
pub(crate) fn last_places<'a, L>(
    mark: Mark,
    lines: &mut [L],
    text: impl Fn(&L) -> Option<&'a [u8; NEAR]>,
    found: impl FnMut(&mut L, &'a [u8; NEAR], usize) -> bool,
) -> Option<u32> {
    debug_assert!(lines.len() <= u32::BITS as usize);
    #[cfg(target_arch = "x86_64")]
    if is_able() {
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above: AVX2, BMI1 and LZCNT are there.
        return Some(unsafe { avx2::last_places(mark, lines, text, found) });
    }
    let _ = (mark, lines, text, found);
    None
}

/// Tells `found` of each line the first place of a byte in the whole windows of [`NEAR`] bytes of a text that `text` gives, and
/// gives the bits of those lines where there is none, or where `found` says that it is not done. There are no more lines than
/// bits.
#[inline]
pub(crate) fn first_places<'a, L>(
    mark: Mark,
    lines: &mut [L],
    text: impl Fn(&L) -> &'a [u8],
    found: impl FnMut(&mut L, usize) -> bool,
) -> Option<u32> {
    debug_assert!(lines.len() <= u32::BITS as usize);
    #[cfg(target_arch = "x86_64")]
    if is_able() {
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above: AVX2, BMI1 and LZCNT are there.
        return Some(unsafe { avx2::first_places(mark, lines, text, found) });
    }
    let _ = (mark, lines, text, found);
    None
}

/// Finds newlines from `from` on, in whole windows of [`WIDTH`] bytes, until there are `enough`; `found` has room for a window's
/// more. Gives how many there are, and from where on none was looked for.
#[inline]
pub(crate) fn newlines(
    bytes: &[u8],
    from: usize,
    enough: usize,
    found: &mut [usize],
) -> Option<(usize, usize)> {
    #[cfg(target_arch = "x86_64")]
    if is_able() {
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: as above: AVX2, BMI1 and LZCNT are there.
        return Some(unsafe { avx2::newlines(bytes, from, enough, found) });
    }
    let _ = (bytes, from, enough, found);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_loops_use_what_is_asked_for() {
        let code = include_str!("wide/avx2.rs");
        for line in code.lines().filter(|line| line.contains("target_feature")) {
            assert_eq!(line.trim(), "#[target_feature(enable = \"avx2,bmi1,lzcnt\")]");
        }
    }

    #[test]
    fn each_byte_is_held_against_its_own() {
        let mut look = Look {
            usual: [b' '; WIDTH],
            counts: [0xff; WIDTH],
            added: [0x7f; WIDTH],
            fours: Some(Digits::new(std::array::from_fn(|at| Some(4 * at)))),
            sixteen: Some(Digits::new(std::array::from_fn(|at| Some(4 * at)))),
        };
        look.counts[..7].fill(0);
        look.added[..7].fill(0);
        for at in (0..WIDTH).step_by(4) {
            (look.usual[at], look.counts[at], look.added[at]) = (b'0', 0xff, 0x80 - 10);
        }
        for (at, byte) in (0..WIDTH).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut text = [b' '; WIDTH];
            for (at, digit) in (0..WIDTH).step_by(4).zip(b"9876543210123456") {
                text[at] = *digit;
            }
            text[at] = byte;
            let fits = if at % 4 == 0 { byte.is_ascii_digit() } else { at < 7 || byte == b' ' };
            assert_eq!(look.fits(&text), fits, "{byte} at {at}");
            let digits: Vec<u64> =
                text.iter().step_by(4).map(|byte| u64::from(byte & 0xf)).collect();
            let number = |digits: &[u64]| digits.iter().fold(0, |all, digit| all * 10 + digit);
            let mut read = None;
            let text: &[u8; WIDTH] = &text;
            let odd = ends(
                &look,
                &mut [()],
                |()| Some(text),
                |at, (), _, numbers| {
                    read = Some((at, numbers.fours.to_vec(), numbers.sixteen));
                },
            );
            let fours = digits.chunks(4).map(number).collect();
            let Some(odd) = odd else { return };
            assert_eq!((odd, read), (u32::from(!fits), fits.then(|| (0, fours, number(&digits)))));
        }
    }

    /// The bits of lines without a place that is even.
    fn odd_bits(places: &[Option<usize>]) -> u32 {
        let is_odd = |place: &Option<usize>| place.is_none_or(|place| place % 2 == 1);
        let odd = (0..).zip(places).filter(|(_, place)| is_odd(place));
        odd.fold(0, |odd, (at, _)| odd | 1 << at)
    }

    proptest! {
        #[test]
        fn the_last_place_is_the_one_that_a_search_finds(
            texts in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"\x00\x1f \x7f\x80\xff\"=a".to_vec()), NEAR), 0..4,
            ),
            byte in prop::sample::select(b"\x00\x7f\xff\"= ".to_vec()),
            least in prop::sample::select(vec![0, 0x20, 0x21, 0x80]),
        ) {
            let mut lines: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let mark = Mark { byte, least };
            let mut found = Vec::new();
            let odd = last_places(mark, &mut lines, |line| line.first_chunk(), |_, _, place| {
                found.push(place);
                place % 2 == 0
            });
            let slow = |text: &Vec<u8>| {
                let at = text.iter().rposition(|other| *other == byte)?;
                let is_good = |other: &u8| least == 0 || *other >= least && *other != b'"';
                text[at + 1..].iter().all(is_good).then_some(at)
            };
            if let Some(odd) = odd {
                let slow: Vec<_> = texts.iter().map(slow).collect();
                prop_assert_eq!(odd, odd_bits(&slow));
                prop_assert_eq!(found, slow.into_iter().flatten().collect::<Vec<_>>());
            }
            let plainly = plainly(|| last_places(mark, &mut lines, |line| line.first_chunk(), |_, _, _| true));
            prop_assert!(plainly.is_none());
        }

        #[test]
        fn the_first_place_is_the_one_that_a_search_finds(
            texts in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"\x00\x1f \x7f\x80\xff\"=aaaaaaaa".to_vec()), 0..4 * NEAR), 0..4,
            ),
            byte in prop::sample::select(b"\x00\x7f\xff\"= ".to_vec()),
            least in prop::sample::select(vec![0, 0x20, 0x21, 0x80]),
        ) {
            let mut lines: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let mark = Mark { byte, least };
            let mut found = Vec::new();
            let odd = first_places(mark, &mut lines, |line| line, |_, place| {
                found.push(place);
                place % 2 == 0
            });
            let slow = |text: &Vec<u8>| {
                let whole = &text[..text.len() / NEAR * NEAR];
                let at = whole.iter().position(|other| *other == byte)?;
                let is_good = |other: &u8| least == 0 || *other >= least && *other != b'"';
                whole[..at].iter().all(is_good).then_some(at)
            };
            if let Some(odd) = odd {
                let slow: Vec<_> = texts.iter().map(slow).collect();
                prop_assert_eq!(odd, odd_bits(&slow));
                prop_assert_eq!(found, slow.into_iter().flatten().collect::<Vec<_>>());
            }
            let plainly = plainly(|| first_places(mark, &mut lines, |line| line, |_, _| true));
            prop_assert!(plainly.is_none());
        }
    }
}
