#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes).unwrap();
    bytes
}

fn canonical(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_canonical(value, &mut bytes).unwrap();
    bytes
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T) {
    assert_eq!(read::<T>(&bytes(&value)).unwrap(), value);
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shape {
    Point,
    Circle(f64),
    Line(i8, u16),
    Box { width: u32, height: Option<u32> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Internal {
    Nothing,
    Address { ip: IpAddr },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Nothing,
    Some(Option<Option<u8>>),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Shape(Shape),
    Number(u64),
    Text(String),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Rest {
    ip: IpAddr,
    nested: Option<Option<u8>>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    first: u8,
    #[serde(flatten)]
    rest: Rest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<u8>,
    last: char,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct New(Option<Unit>);

fn flat() -> Flat {
    let rest = Rest { ip: IpAddr::from([127, 0, 0, 1]), nested: Some(None) };
    Flat { first: 1, rest, left_out: vec![], last: 'ß' }
}

#[test]
fn what_is_written_is_read() {
    check(());
    check((true, false, 'x', "text".to_owned(), vec![1u8, 2]));
    check((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    check((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    check((f32::MIN_POSITIVE, f64::INFINITY, 0.1 + 0.2));
    check(HashMap::from([((1u8, 'a'), vec![Some(1)]), ((2, 'b'), vec![None])]));
    check(BTreeMap::from([(vec![0u8], ()), (vec![], ())]));
    check([New(None), New(Some(Unit))]);
    check(serde_json::json!({ "a": [1, -1, 0.5, null, "x", { "b": true }] }));
    check(flat());
}

#[test]
fn options_within_options_are_told_apart() {
    check::<[Option<Option<Option<()>>>; 4]>([None, Some(None), Some(Some(None)), Some(Some(Some(())))]);
}

#[test]
fn enums_of_all_representations_are_read() {
    check([
        Shape::Point,
        Shape::Circle(1.5),
        Shape::Line(-1, 1),
        Shape::Box { width: 1, height: None },
        Shape::Box { width: 1, height: Some(2) },
    ]);
    check([Internal::Nothing, Internal::Address { ip: IpAddr::from([0; 16]) }]);
    check([Adjacent::Nothing, Adjacent::Some(None), Adjacent::Some(Some(None))]);
    check([
        Untagged::Shape(Shape::Point),
        Untagged::Shape(Shape::Line(1, 2)),
        Untagged::Shape(Shape::Box { width: 1, height: Some(3) }),
        Untagged::Number(7),
        Untagged::Text("Pointless".into()),
    ]);
}

#[test]
fn floats_keep_every_bit() {
    for bits in [f64::NAN.to_bits(), f64::NAN.to_bits() | 1 << 63 | 42, (-0.0f64).to_bits()] {
        let read: f64 = read(&bytes(&f64::from_bits(bits))).unwrap();
        assert_eq!(read.to_bits(), bits);
    }
}

#[test]
fn the_canonical_form_sorts_maps_and_has_one_nan() {
    let entries: Vec<_> = (0..100u32).map(|n| (format!("{n}"), n)).collect();
    let one: HashMap<_, _> = entries.iter().cloned().collect();
    let other: HashMap<_, _> = entries.iter().rev().cloned().collect();
    assert_eq!(canonical(&one), canonical(&other));
    let sorted: BTreeMap<_, _> = entries.into_iter().collect();
    assert_eq!(canonical(&one), canonical(&sorted));
    assert_eq!(canonical(&f64::NAN), canonical(&-f64::NAN));
    assert_eq!(canonical(&HashMap::from([(1, [one.clone()])])), canonical(&HashMap::from([(1, [other])])));
}

#[test]
fn different_values_are_written_differently() {
    let all = [
        canonical(&1i64),
        canonical(&1.0f64),
        canonical(&1.0f32),
        canonical(&1u64),
        canonical(&-0.0f64),
        canonical(&0.0f64),
        canonical(&"1"),
        canonical(&("ab", "c")),
        canonical(&("a", "bc")),
        canonical(&[["a"], ["b"]]),
        canonical(&vec![vec!["a", "b"], vec![]]),
        canonical(&None::<u8>),
        canonical(&Some(None::<u8>)),
        canonical(&()),
        canonical(&Vec::<u8>::new()),
        canonical(&Shape::Point),
        canonical(&"Point"),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "{at}");
    }
}

#[test]
fn damage_is_an_error() {
    let whole = bytes(&flat());
    for len in 0..whole.len() {
        assert!(read::<Flat>(&whole[..len]).is_err(), "{len}");
    }
    let mut longer = whole.clone();
    longer.push(Tag::Unit as u8);
    assert!(read::<Flat>(&longer).is_err());
    for at in 0..whole.len() {
        for byte in [0, 0xff, Tag::End as u8, Tag::Sequence as u8] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            // The result does not matter, as long as the call returns.
            let _ = read::<Flat>(&damaged);
        }
    }
}
