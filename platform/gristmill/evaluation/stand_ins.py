"""Small sources laid beside programs whose tests name a package that no toolchain brings.

Written for the few names that the tests use: `assert.New(t).Equal` of Go's testify, and in Rust `md5`,
`rand` and the name of `regex`, which compiles and matches nothing.
"""

from __future__ import annotations

GO_ASSERT = {
    "go/src/github.com/stretchr/testify/assert/assert.go": """\
package assert

import (
    "reflect"
    "testing"
)

type Assertions struct{ t *testing.T }

func New(t *testing.T) *Assertions { return &Assertions{t} }

func (a *Assertions) Equal(wanted, found interface{}, _ ...interface{}) bool {
    if reflect.DeepEqual(wanted, found) {
        return true
    }
    a.t.Errorf("wanted %v, found %v", wanted, found)
    return false
}
"""
}

RUST_CRATES = """
mod rand {
    use std::cell::Cell;
    thread_local! { static STATE: Cell<u64> = Cell::new(0x9E3779B97F4A7C15); }
    fn next() -> u64 {
        STATE.with(|state| {
            let mut x = state.get();
            x ^= x << 13; x ^= x >> 7; x ^= x << 17;
            state.set(x);
            x
        })
    }
    pub trait Drawn: Copy { fn of(bits: u64) -> Self; fn wide(self) -> i64; fn narrow(value: i64) -> Self; }
    macro_rules! drawn { ($($kind:ty)*) => { $(impl Drawn for $kind {
        fn of(bits: u64) -> Self { bits as $kind }
        fn wide(self) -> i64 { self as i64 }
        fn narrow(value: i64) -> Self { value as $kind }
    })* } }
    drawn!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize);
    pub trait Rng {
        fn gen<T: Drawn>(&mut self) -> T { T::of(next()) }
        fn gen_range<T: Drawn>(&mut self, low: T, high: T) -> T {
            let (low, high) = (low.wide(), high.wide());
            T::narrow(low + (next() % (high - low) as u64) as i64)
        }
    }
    pub struct ThreadRng;
    impl Rng for ThreadRng {}
    pub fn thread_rng() -> ThreadRng { ThreadRng }
    pub fn random<T: Drawn>() -> T { T::of(next()) }
}
mod regex {
    pub struct Regex;
    impl Regex {
        pub fn new(_: &str) -> Result<Regex, String> { Err("the crate regex is not here".to_string()) }
        pub fn split<'a>(&self, text: &'a str) -> Vec<&'a str> { vec![text] }
        pub fn is_match(&self, _: &str) -> bool { false }
    }
}
mod md5 {
    pub struct Digest(pub [u8; 16]);
    impl std::fmt::LowerHex for Digest {
        fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            for byte in self.0.iter() { write!(out, "{:02x}", byte)?; }
            Ok(())
        }
    }
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    pub fn compute<T: AsRef<[u8]>>(given: T) -> Digest {
        let mut text = given.as_ref().to_vec();
        let bits = (text.len() as u64) * 8;
        text.push(0x80);
        while text.len() % 64 != 56 { text.push(0); }
        text.extend_from_slice(&bits.to_le_bytes());
        let mut state: [u32; 4] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
        for chunk in text.chunks(64) {
            let word = |at: usize| u32::from_le_bytes([chunk[4 * at], chunk[4 * at + 1], chunk[4 * at + 2], chunk[4 * at + 3]]);
            let [mut a, mut b, mut c, mut d] = state;
            for step in 0..64usize {
                let (mixed, at) = match step / 16 {
                    0 => ((b & c) | (!b & d), step),
                    1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                    2 => (b ^ c ^ d, (3 * step + 5) % 16),
                    _ => (c ^ (b | !d), (7 * step) % 16),
                };
                let sine = (((step as f64) + 1.0).sin().abs() * 4294967296.0) as u32;
                let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(word(at));
                a = d; d = c; c = b;
                b = b.wrapping_add(sum.rotate_left(TURNS[step / 16][step % 4]));
            }
            for (kept, new) in state.iter_mut().zip([a, b, c, d].iter()) { *kept = kept.wrapping_add(*new); }
        }
        let mut found = [0u8; 16];
        for (at, word) in state.iter().enumerate() { found[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes()); }
        Digest(found)
    }
}
"""
