//! Many logs as one stream, by time; of one moment in the order of the logs.

use super::source::{Line, Micros, Source};
use crate::error::Error;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

/// Hands over all lines that there are.
pub(super) fn forward(
    sources: &mut [Box<dyn Source>],
    each: &mut dyn FnMut(&Line<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let mut heads: BinaryHeap<Reverse<(Micros, usize)>> = BinaryHeap::with_capacity(sources.len());
    for (at, source) in sources.iter_mut().enumerate() {
        heads.extend(source.peek()?.map(|time| Reverse((time, at))));
    }
    while let Some(Reverse((_, at))) = heads.pop() {
        let next = heads.peek().map_or((Micros::MAX, usize::MAX), |Reverse(next)| *next);
        let source = &mut sources[at];
        loop {
            if each(&source.line()).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            source.take();
            match source.peek()? {
                Some(time) if (time, at) <= next => {}
                Some(time) => {
                    heads.push(Reverse((time, at)));
                    break;
                }
                None => break,
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Walks back from the end over the last `count` wanted lines and `before` lines more; how many of these there were.
pub(super) fn backward(sources: &mut [Box<dyn Source>], count: usize, before: usize) -> Result<usize, Error> {
    let mut heads: BinaryHeap<(Micros, usize, bool)> = BinaryHeap::with_capacity(sources.len());
    if count > 0 {
        for (at, source) in sources.iter_mut().enumerate() {
            heads.extend(source.peek_back()?.map(|(time, wanted)| (time, at, wanted)));
        }
    }
    let (mut left, mut more) = (count, 0);
    while let Some((_, at, wanted)) = heads.pop() {
        if left == 0 {
            if more == before {
                break;
            }
            more += 1;
        } else {
            left -= usize::from(wanted);
            if left == 0 && before == 0 {
                sources[at].take_back();
                break;
            }
        }
        let source = &mut sources[at];
        source.take_back();
        heads.extend(source.peek_back()?.map(|(time, wanted)| (time, at, wanted)));
    }
    Ok(more)
}
