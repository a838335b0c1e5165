use std::sync::Barrier;

use anyhow::bail;
use pretty_assertions::assert_eq;

use super::*;

#[test]
fn results_are_in_the_order_of_the_items_which_are_worked_on_together() {
    let both = Barrier::new(2);
    let work = |item: usize| {
        both.wait();
        Ok(item * 10)
    };
    assert_eq!(each(0..4, 2, work).unwrap(), [0, 10, 20, 30]);
}

#[test]
fn the_first_error_is_returned() {
    let work = |item: usize| if item == 1 { bail!("item {item}") } else { Ok(item) };
    assert_eq!(each(0..3, 8, work).unwrap_err().to_string(), "item 1");
    assert_eq!(each(0..0, 8, work).unwrap(), [0; 0]);
}
