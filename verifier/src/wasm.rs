//! The functions that WebAssembly exports: `reserve` gives room for a call (0) or the bytes beside it (1) and says
//! where, `answer` answers it and says where, `answer_length` how long the answer is. The rest is [`crate::calls`].
//!
//! The caller writes and reads this module's memory, so nothing here needs a pointer. The names are the only unsafe
//! code.

#![allow(unsafe_code, reason = "functions under fixed names")]

use crate::calls::Session;
use std::cell::RefCell;

#[derive(Default)]
struct Host {
    session: Session,
    call: Vec<u8>,
    bytes: Vec<u8>,
    answer: Vec<u8>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

#[unsafe(no_mangle)]
extern "C" fn reserve(beside: u32, length: usize) -> usize {
    HOST.with_borrow_mut(|host| {
        let room = if beside == 0 { &mut host.call } else { &mut host.bytes };
        *room = vec![0; length];
        room.as_mut_ptr() as usize
    })
}

#[unsafe(no_mangle)]
extern "C" fn answer() -> usize {
    HOST.with_borrow_mut(|host| {
        let (call, bytes) = (std::mem::take(&mut host.call), std::mem::take(&mut host.bytes));
        host.answer = host.session.answer(&call, bytes).to_string().into_bytes();
        host.answer.as_ptr() as usize
    })
}

#[unsafe(no_mangle)]
extern "C" fn answer_length() -> usize {
    HOST.with_borrow(|host| host.answer.len())
}
