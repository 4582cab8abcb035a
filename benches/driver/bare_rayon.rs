//! The bare `rayon`: a pool of threads that calls a function for each item.

use std::hint::black_box;

use rayon::prelude::*;

use crate::sum::Sum;

pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

pub(crate) fn empty_tasks(pool: &rayon::ThreadPool, items: u32) -> Sum {
    let done: Vec<u32> = pool.install(|| (0..items).into_par_iter().map(black_box).collect());
    let mut sum = Sum::default();
    done.into_iter().for_each(|n| sum.int(n.into()));
    sum
}
