//! The loops themselves, with the instructions of AVX2, BMI1 and LZCNT. Loads and stores are made of plain ones, which the compiler
//! unites: no pointer is followed.

use super::{Digits, Look, Mark, NEAR, Numbers, WIDTH};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi128_si64, _mm_madd_epi16, _mm_maddubs_epi16, _mm_or_si128,
    _mm_packus_epi32, _mm_set1_epi16, _mm_set1_epi32, _mm256_adds_epu8, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cvtepu32_epi64, _mm256_extract_epi64,
    _mm256_extracti128_si256, _mm256_max_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set_epi64x, _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_xor_si256,
};

#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
fn load(bytes: &[u8; 32]) -> __m256i {
    let (words, _) = bytes.as_chunks();
    // The compiler makes one load of these.
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| i64::from_le_bytes(words[at]));
    _mm256_set_epi64x(d, c, b, a)
}

/// The top bits of all bytes.
#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
fn tops(bytes: __m256i) -> u32 {
    _mm256_movemask_epi8(bytes).cast_unsigned()
}

/// A text of [`WIDTH`] bytes.
#[derive(Clone, Copy)]
struct Text(__m256i, __m256i);

impl Text {
    #[target_feature(enable = "avx2,bmi1,lzcnt")]
    #[inline]
    fn of(bytes: &[u8; WIDTH]) -> Self {
        let (halves, _) = bytes.as_chunks();
        Text(load(&halves[0]), load(&halves[1]))
    }

    #[target_feature(enable = "avx2,bmi1,lzcnt")]
    #[inline]
    fn xor(self, other: Text) -> Self {
        Text(_mm256_xor_si256(self.0, other.0), _mm256_xor_si256(self.1, other.1))
    }

    /// Does any of these bytes, of whose bits `counts` tells which count, become 128 or more when `added` is added?
    #[target_feature(enable = "avx2,bmi1,lzcnt")]
    #[inline]
    fn exceeds(self, counts: Text, added: Text) -> bool {
        let first = _mm256_adds_epu8(_mm256_and_si256(self.0, counts.0), added.0);
        let last = _mm256_adds_epu8(_mm256_and_si256(self.1, counts.1), added.1);
        tops(_mm256_or_si256(first, last)) != 0
    }

    /// Four numbers of four of its bytes each.
    #[target_feature(enable = "avx2,bmi1,lzcnt")]
    #[inline]
    fn fours(self, places: Text) -> __m128i {
        let first = _mm256_shuffle_epi8(self.0, places.0);
        let last = _mm256_shuffle_epi8(self.1, places.1);
        // Each byte comes from one of the four parts, and is 0 in the others.
        let both = _mm256_or_si256(first, last);
        let digits =
            _mm_or_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
        let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(weights(10)));
        _mm_madd_epi16(pairs, _mm_set1_epi32(weights_of_pairs(100)))
    }
}

/// What the first and the second of two bytes count.
const fn weights(first: i16) -> i16 {
    1 << 8 | first
}

/// The same of two pairs.
const fn weights_of_pairs(first: i32) -> i32 {
    1 << 16 | first
}

/// What four numbers of four digits each make as one.
#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
fn joint(fours: __m128i) -> u64 {
    let eights =
        _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(weights_of_pairs(10_000)));
    let both = _mm_cvtsi128_si64(eights).cast_unsigned();
    (both & u64::from(u32::MAX)) * 100_000_000 + (both >> 32)
}

#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
fn each(fours: __m128i) -> [u64; 4] {
    let wide = _mm256_cvtepu32_epi64(fours);
    // The compiler makes one store of these.
    [
        _mm256_extract_epi64::<0>(wide),
        _mm256_extract_epi64::<1>(wide),
        _mm256_extract_epi64::<2>(wide),
        _mm256_extract_epi64::<3>(wide),
    ]
    .map(i64::cast_unsigned)
}

/// See [`super::ends`].
#[target_feature(enable = "avx2,bmi1,lzcnt")]
pub(super) fn ends<'a, L>(
    look: &Look,
    lines: &mut [L],
    text: impl Fn(&L) -> Option<&'a [u8; WIDTH]>,
    mut usual: impl FnMut(usize, &mut L, &'a [u8; WIDTH], Numbers),
) -> u32 {
    let [as_usual, counts, added] =
        [&look.usual, &look.counts, &look.added].map(|bytes| Text::of(bytes));
    let places = |digits: &Option<Digits>| digits.as_ref().map(|digits| Text::of(&digits.places));
    let (fours, sixteen) = (places(&look.fours), places(&look.sixteen));
    let mut odd = 0;
    for (at, line) in lines.iter_mut().enumerate() {
        let Some(bytes) = text(line) else {
            odd |= 1 << at;
            continue;
        };
        let differs = Text::of(bytes).xor(as_usual);
        if differs.exceeds(counts, added) {
            odd |= 1 << at;
            continue;
        }
        let fours = fours.map_or([0; 4], |places| each(differs.fours(places)));
        let sixteen = sixteen.map_or(0, |places| joint(differs.fours(places)));
        usual(at, line, bytes, Numbers { fours, sixteen });
    }
    odd
}

/// See [`super::last_places`].
#[target_feature(enable = "avx2,bmi1,lzcnt")]
pub(super) fn last_places<'a, L>(
    Mark { byte, least }: Mark,
    lines: &mut [L],
    text: impl Fn(&L) -> Option<&'a [u8; NEAR]>,
    mut found: impl FnMut(&mut L, &'a [u8; NEAR], usize) -> bool,
) -> u32 {
    let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
    let (byte, quote, lowest) = (all(byte), all(b'"'), all(least));
    let mut odd = 0;
    'lines: for (at, line) in lines.iter_mut().enumerate() {
        'odd: {
            let Some(text) = text(line) else { break 'odd };
            let bytes = load(text);
            let places = tops(_mm256_cmpeq_epi8(bytes, byte));
            let behind = places.leading_zeros();
            if least != 0 {
                let high = tops(_mm256_cmpeq_epi8(_mm256_max_epu8(bytes, lowest), bytes));
                let odd = tops(_mm256_cmpeq_epi8(bytes, quote)) | !high;
                if odd.leading_zeros() < behind {
                    break 'odd;
                }
            }
            if places == 0 {
                break 'odd;
            }
            if found(line, text, 31 - behind as usize) {
                continue 'lines;
            }
        }
        odd |= 1 << at;
    }
    odd
}

/// See [`super::first_places`].
#[target_feature(enable = "avx2,bmi1,lzcnt")]
pub(super) fn first_places<'a, L>(
    Mark { byte, least }: Mark,
    lines: &mut [L],
    text: impl Fn(&L) -> &'a [u8],
    mut found: impl FnMut(&mut L, usize) -> bool,
) -> u32 {
    let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
    let (byte, quote, lowest) = (all(byte), all(b'"'), all(least));
    let mut odd = 0;
    'lines: for (at, line) in lines.iter_mut().enumerate() {
        let (windows, _) = text(line).as_chunks();
        let mut before = 0;
        for window in windows {
            let bytes = load(window);
            let places = tops(_mm256_cmpeq_epi8(bytes, byte));
            if least != 0 {
                let high = tops(_mm256_cmpeq_epi8(_mm256_max_epu8(bytes, lowest), bytes));
                let odd = tops(_mm256_cmpeq_epi8(bytes, quote)) | !high;
                // Of those in front of the first place; of all where there is none.
                if odd & places.wrapping_sub(1) & !places != 0 {
                    break;
                }
            }
            if places != 0 {
                if found(line, before + places.trailing_zeros() as usize) {
                    continue 'lines;
                }
                break;
            }
            before += NEAR;
        }
        odd |= 1 << at;
    }
    odd
}

/// See [`super::newlines`].
#[target_feature(enable = "avx2,bmi1,lzcnt")]
pub(super) fn newlines(
    bytes: &[u8],
    from: usize,
    enough: usize,
    found: &mut [usize],
) -> (usize, usize) {
    let (mut count, mut rest) = (0, from);
    let (windows, _) = bytes.get(rest..).unwrap_or_default().as_chunks();
    for window in windows {
        let mut places = places(window);
        // Nearly always one or none: noted without asking, and counted if it was one.
        found[count] = rest + places.trailing_zeros() as usize;
        count += usize::from(places != 0);
        places &= places.wrapping_sub(1);
        while places != 0 {
            found[count] = rest + places.trailing_zeros() as usize;
            count += 1;
            places &= places - 1;
        }
        rest += WIDTH;
        if count >= enough {
            break;
        }
    }
    (count, rest)
}

/// A bit for each newline, the lowest for the first byte.
#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
fn places(window: &[u8; WIDTH]) -> u64 {
    let newlines = _mm256_set1_epi8(b'\n'.cast_signed());
    let Text(first, last) = Text::of(window);
    let bits = |bytes| u64::from(tops(_mm256_cmpeq_epi8(bytes, newlines)));
    bits(first) | bits(last) << 32
}
