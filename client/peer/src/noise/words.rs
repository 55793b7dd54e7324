//! A handshake's hash in words that people can read to each other.
//!
//! They are of the Electronic Frontier Foundation's second short list for dice (2016, CC BY 3.0 US), made to be told apart
//! over a telephone: <https://www.eff.org/files/2016/09/08/eff_short_wordlist_2_0.txt>, without its dice.

use super::{HASH_BYTES, WORDS};

/// One word a line, in the order of the alphabet.
const LIST: &str = include_str!("eff_short_2.txt");
/// Words of the list: four dice.
const LIST_WORDS: u128 = 6_u128.pow(4);

// Six of them are 62 bits, so little of the 128 that they are made from that no word is likelier than another.
const _: () = assert!(LIST_WORDS.pow(WORDS as u32) < 1 << 63);

/// The words of a hash: its first 16 bytes as a number, whose digits to base 1296 they are, the last first.
pub(super) fn of_hash(hash: &[u8; HASH_BYTES]) -> [&'static str; WORDS] {
    let list: Vec<&str> = LIST.lines().collect();
    let mut number = hash[..16].iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    [(); WORDS].map(|()| {
        let word = list[(number % LIST_WORDS) as usize];
        number /= LIST_WORDS;
        word
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_is_that_of_the_foundation() {
        let words: Vec<&str> = LIST.lines().collect();
        assert_eq!(words.len() as u128, LIST_WORDS);
        assert!(words.is_sorted() && (words[0], words[1_295]) == ("aardvark", "zucchini"));
        let beginnings: BTreeSet<&str> = words.iter().map(|word| &word[..3]).collect();
        assert_eq!(beginnings.len(), words.len(), "three letters tell each word");
    }

    #[test]
    fn other_hashes_are_other_words() {
        assert_eq!(of_hash(&[0; HASH_BYTES]), ["aardvark"; WORDS]);
        let of = |byte: u8| of_hash(&std::array::from_fn(|at| byte ^ at as u8));
        let all: BTreeSet<[&str; WORDS]> = (0..=255).map(of).collect();
        assert_eq!(all.len(), 256);
    }
}
