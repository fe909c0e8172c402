#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn smoke() {
    let next = |expr: &str, at: &str, zone: &str| {
        Calendar::parse(expr)
            .unwrap()
            .next_after(at.parse().unwrap(), &TimeZone::get(zone).unwrap())
            .map_or("never".to_owned(), |at| at.to_string())
    };
    assert_eq!(next("*-*-* 03:00", "2024-03-29T00:00:00Z", "UTC"), "2024-03-29T03:00:00Z");
}
