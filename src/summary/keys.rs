//! A table by group and peer, bounded without preferring what came first.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

mod look;

use super::Merge;
use super::near::Near;
use hashbrown::{DefaultHashBuilder, HashTable};
use look::Look;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

/// Most keys that are kept apart; the rest is one sum. Peers are few; values of `--by '$uri'` are chosen by clients.
pub const MAX_KEYS: usize = 10_000;

/// Most bytes of a group or a peer that are kept.
const MAX_NAME: usize = 512;

/// Group and peer of an attempt. A group of none is an upstream whose name is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key<'a> {
    /// The upstream's name, or the value of `--by`.
    pub group: Option<&'a [u8]>,
    /// The peer's address as logged.
    pub peer: &'a [u8],
}

/// A key that owns its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OwnedKey {
    group: Option<Box<[u8]>>,
    peer: Box<[u8]>,
    #[serde(skip)]
    look: Look,
}

impl From<Key<'_>> for OwnedKey {
    fn from(key: Key<'_>) -> Self {
        OwnedKey {
            group: key.group.map(Into::into),
            peer: key.peer.into(),
            look: Look::of(key).filter_all(key),
        }
    }
}

impl OwnedKey {
    fn as_key(&self) -> Key<'_> {
        Key { group: self.group.as_deref(), peer: &self.peer }
    }
}

/// Group, peer and value.
pub type Entry<V> = (Option<Box<[u8]>>, Box<[u8]>, V);

/// Values by key.
///
/// When there are more than [`MAX_KEYS`] keys, those with the smallest fixed hash are kept and all others are summed up
/// in one value, the others. Which ones are kept depends on the set of keys alone; a key that is kept was never dropped, so its
/// value is whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored<V>", bound(deserialize = "V: Merge + Deserialize<'de>"))]
pub struct Keys<V> {
    #[serde(skip)]
    index: HashTable<usize>,
    #[serde(skip)]
    hasher: DefaultHashBuilder,
    entries: Vec<(OwnedKey, V)>,
    /// Where a key was found, by its peer: a few dozen peers take turns, and hashing each costs more. Of a hundred peers one in
    /// eleven has to share its place with another.
    #[serde(skip)]
    near: Near<1024>,
    /// Keys whose fixed hash is not below this belong to the others.
    limit: u64,
    others: Option<Box<V>>,
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored<V> {
    entries: Vec<(OwnedKey, V)>,
    limit: u64,
    others: Option<Box<V>>,
}

impl<V: Merge> TryFrom<Stored<V>> for Keys<V> {
    type Error = &'static str;

    fn try_from(Stored { entries, limit, others }: Stored<V>) -> Result<Self, &'static str> {
        let wrong = "different groups and peers";
        if entries.len() > 2 * MAX_KEYS {
            return Err(wrong);
        }
        let mut all = Keys { limit, others, ..Keys::default() };
        for (key, value) in entries {
            let key = key.as_key();
            let is_cut = key.peer.len() > MAX_NAME || key.group.is_some_and(|g| g.len() > MAX_NAME);
            if is_cut || fixed_hash(key) >= limit || all.look_up(key).is_some() {
                return Err(wrong);
            }
            *all.insert(key) = value;
        }
        Ok(all)
    }
}

impl<V> Default for Keys<V> {
    fn default() -> Self {
        Keys {
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            entries: Vec::new(),
            near: Near::default(),
            limit: u64::MAX,
            others: None,
        }
    }
}

impl<V: Merge> Keys<V> {
    /// The value of a key, new if it was not there; or that of the others, if the table is full of smaller ones.
    #[inline(always)]
    pub fn entry(&mut self, key: Key<'_>) -> &mut V {
        let look = Look::of(key);
        let at = self.near.get(look.peer.hash());
        if self.entries.get(at).is_some_and(|(own, _)| own.look.is(look)) {
            return &mut self.entries[at].1;
        }
        // A key of its own, so that only then it has a place in memory.
        let key = Key { group: key.group, peer: key.peer };
        self.entry_elsewhere(key, look.peer.hash())
    }

    /// The same for a key that is not where one like it was found, or that takes longer to tell.
    #[inline(never)]
    fn entry_elsewhere(&mut self, key: Key<'_>, hash: u64) -> &mut V {
        let key = Key { group: key.group.map(cut), peer: cut(key.peer) };
        match self.find(key, hash) {
            Some(at) => &mut self.entries[at].1,
            None => self.insert(key),
        }
    }

    /// The value of a key, if it was there and no blank is in its peer: that would be more than one.
    #[inline(always)]
    pub fn known(&mut self, key: Key<'_>) -> Option<&mut V> {
        let look = Look::of(key);
        let at = self.near.get(look.peer.hash());
        if self.entries.get(at).is_some_and(|(own, _)| own.look.is(look)) {
            return Some(&mut self.entries[at].1);
        }
        // A key of its own, so that only then it has a place in memory.
        let key = Key { group: key.group, peer: key.peer };
        let at = self.find_word(key, look.peer.hash())?;
        Some(&mut self.entries[at].1)
    }

    #[cold]
    #[inline(never)]
    fn find_word(&mut self, key: Key<'_>, hash: u64) -> Option<usize> {
        if key.peer.contains(&b' ') { None } else { self.find(key, hash) }
    }

    /// Where a key is that is not where one like it was found, or that takes longer to tell.
    fn find(&mut self, key: Key<'_>, hash: u64) -> Option<usize> {
        let at = self.near.get(hash);
        if self.entries.get(at).is_some_and(|(own, _)| own.as_key() == key) {
            return Some(at);
        }
        let at = self.look_up(key)?;
        self.near.set(hash, at);
        Some(at)
    }

    fn look_up(&self, key: Key<'_>) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |&at| self.entries[at].0.as_key() == key).copied()
    }

    #[cold]
    fn insert(&mut self, key: Key<'_>) -> &mut V {
        // Twice the limit before the table is cut, so that cutting is rare.
        if self.entries.len() >= 2 * MAX_KEYS {
            self.shrink();
        }
        if fixed_hash(key) >= self.limit {
            return self.others.get_or_insert_with(Box::default);
        }
        let at = self.entries.len();
        let hash = self.hasher.hash_one(key);
        self.entries.push((key.into(), V::default()));
        let (hasher, entries) = (&self.hasher, &self.entries);
        self.index.insert_unique(hash, at, |&at| hasher.hash_one(entries[at].0.as_key()));
        &mut self.entries[at].1
    }

    /// Keeps the [`MAX_KEYS`] keys of the smallest fixed hash.
    fn shrink(&mut self) {
        if self.entries.len() <= MAX_KEYS {
            return;
        }
        let mut hashes: Vec<u64> =
            self.entries.iter().map(|(key, _)| fixed_hash(key.as_key())).collect();
        hashes.sort_unstable();
        self.lower_limit(hashes[MAX_KEYS]);
    }

    fn lower_limit(&mut self, limit: u64) {
        self.limit = self.limit.min(limit);
        let limit = self.limit;
        if self.entries.iter().all(|(key, _)| fixed_hash(key.as_key()) < limit) {
            return;
        }
        for (key, value) in std::mem::take(&mut self.entries) {
            if fixed_hash(key.as_key()) < limit {
                self.entries.push((key, value));
            } else {
                self.others.get_or_insert_with(Box::default).merge(value);
            }
        }
        self.index.clear();
        let (hasher, entries) = (&self.hasher, &self.entries);
        for at in 0..entries.len() {
            let hash = hasher.hash_one(entries[at].0.as_key());
            self.index.insert_unique(hash, at, |&at| hasher.hash_one(entries[at].0.as_key()));
        }
    }

    /// How many keys are kept. Near the limit it may be more than [`Keys::sorted`] keeps.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is nothing kept?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All values, with that of the others.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let others = self.others.as_deref_mut();
        self.entries.iter_mut().map(|(_, value)| value).chain(others)
    }

    /// Keys and values in no order, without those of the others. Near the limit there may be more than
    /// [`Keys::sorted`] keeps.
    pub fn iter(&self) -> impl Iterator<Item = (Key<'_>, &V)> {
        self.entries.iter().map(|(key, value)| (key.as_key(), value))
    }

    /// The sum of the others, as far as there are any by now.
    pub fn others(&self) -> Option<&V> {
        self.others.as_deref()
    }

    /// Keys and values in the order of the keys, and the sum of the others.
    pub fn sorted(mut self) -> (Vec<Entry<V>>, Option<Box<V>>) {
        self.shrink();
        self.entries.sort_by(|(a, _), (b, _)| a.as_key().cmp(&b.as_key()));
        let entries =
            self.entries.into_iter().map(|(key, value)| (key.group, key.peer, value)).collect();
        (entries, self.others)
    }
}

impl<V: Merge + Clone> Keys<V> {
    /// Merges a copy of others, one value at a time.
    pub fn merge_copy(&mut self, other: &Self) {
        self.lower_limit(other.limit);
        if let Some(theirs) = &other.others {
            self.others.get_or_insert_with(Box::default).merge((**theirs).clone());
        }
        for (key, value) in &other.entries {
            self.entry(key.as_key()).merge(value.clone());
        }
    }
}

impl<V: Merge> Merge for Keys<V> {
    fn merge(&mut self, other: Self) {
        self.lower_limit(other.limit);
        if let Some(theirs) = other.others {
            self.others.get_or_insert_with(Box::default).merge(*theirs);
        }
        for (key, value) in other.entries {
            self.entry(key.as_key()).merge(value);
        }
    }
}

impl<V: Merge + Clone + PartialEq> PartialEq for Keys<V> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().sorted() == other.clone().sorted()
    }
}

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(MAX_NAME)]
}

/// The same in every process: FNV-1a, then a finaliser that spreads it (`fmix64` of `MurmurHash3`). It only decides
/// which keys stay when there are too many.
fn fixed_hash(key: Key<'_>) -> u64 {
    let group = key.group.unwrap_or(b"\xff").iter().chain(b"\0");
    let mut hash = group.chain(key.peer).fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Default, PartialEq)]
    struct Count(u64);

    impl Merge for Count {
        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    fn of(names: impl Iterator<Item = u64>) -> Keys<Count> {
        let mut keys: Keys<Count> = Keys::default();
        for name in names {
            let peer = name.to_string();
            keys.entry(Key { group: Some(b"g"), peer: peer.as_bytes() }).0 += 1;
        }
        keys
    }

    #[test]
    fn too_many_keys_keep_the_same_ones_in_any_order_and_split() {
        let many = 3 * MAX_KEYS as u64;
        let forward = of((0..many).chain(0..many));
        let backward = of((0..many).rev().chain((0..many).rev()));
        let mut merged = of(0..many / 2);
        merged.merge(of((0..many).chain(many / 2..many).rev()));
        assert_eq!(forward, backward);
        assert_eq!(forward, merged);
        let (kept, others) = forward.sorted();
        assert_eq!(kept.len(), MAX_KEYS);
        assert!(kept.iter().all(|(_, _, count)| count.0 == 2), "what is kept is whole");
        assert_eq!(others.unwrap().0, 2 * (many - MAX_KEYS as u64));
    }

    #[test]
    fn a_group_of_none_is_not_an_empty_one() {
        let mut keys: Keys<Count> = Keys::default();
        keys.entry(Key { group: None, peer: b"a" }).0 += 1;
        keys.entry(Key { group: Some(b""), peer: b"a" }).0 += 2;
        assert_eq!(keys.sorted().0.len(), 2);
    }

    #[test]
    fn only_words_that_were_there_are_known() {
        let mut keys: Keys<Count> = Keys::default();
        let long = "an upstream with a name of more than sixteen bytes";
        for group in [None, Some(&b"g"[..]), Some(long.as_bytes())] {
            for peer in ["10.0.0.1:80", "unix:/run/application.sock", "a b", "", "-"] {
                let key = Key { group, peer: peer.as_bytes() };
                assert_eq!(keys.known(key), None, "{peer}");
                keys.entry(key).0 += 1;
                let is_word = !peer.contains(' ');
                for _ in 0..2 {
                    assert_eq!(keys.known(key).cloned(), is_word.then_some(Count(1)), "{peer}");
                }
            }
        }
        assert_eq!(keys.len(), 15);
    }
}
