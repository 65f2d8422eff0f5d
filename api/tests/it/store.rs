//! The store: states, leases, fencing, transactions, and what a crash leaves behind.

use alloy::primitives::{B256, Bytes, keccak256};
use assay_api::engine::{Clamped, InputOpening};
use assay_api::store::{NewJob, Patch, Purpose, SavedTransaction, State, Store, StoreError};
use serde_json::json;

use crate::fake::model_id;

fn new(n: u64, paid: bool) -> NewJob {
    NewJob {
        model: model_id(1),
        input: InputOpening { data: vec![1.5, -2.0], blinding: vec![keccak256("blinding")] },
        input_commitments: vec![Bytes::from(vec![7; 64])],
        output_cells: vec![-3, 300],
        output_real: vec![-0.1875, 18.75],
        outside: 3,
        clamped: vec![Clamped { layer: "conv \"1\"".into(), cells: 5 }],
        clamps: 6,
        inferences: 1,
        escrow: paid.then(|| ("{}".to_owned(), model_id(1000 + n))),
        context: None,
        unfunded: None,
        cancel_after_ms: None,
        request_hash: keccak256(n.to_be_bytes()),
        idempotency_key: None,
    }
}

async fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("jobs.sqlite")).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn a_job_comes_back_as_it_went_in_and_forgets_its_input_when_over() {
    let (_dir, store) = open().await;
    let made = store.create(&new(1, true), State::AwaitingPayment).await.unwrap();
    assert!(made.fresh);
    let job = store.job(&made.job.id).await.unwrap();
    assert_eq!(job.input, Some(new(1, true).input));
    assert_eq!((job.output_cells, job.output_real), (vec![-3, 300], vec![-0.1875, 18.75]));
    assert_eq!((job.outside, &job.clamped, job.clamps), (3, &new(1, true).clamped, 6));
    assert_eq!(job.input_commitments, vec![Bytes::from(vec![7; 64])]);
    assert_eq!(job.chain_job, Some(model_id(1001)));
    assert!(matches!(store.create(&new(1, true), State::AwaitingPayment).await, Err(StoreError::EscrowReused)));
    let over = store.transition(&made.job.id, None, &[State::AwaitingPayment], State::Cancelled, Patch::default()).await.unwrap();
    assert_eq!(over.input, None);
    let (a, b) = (made.job.id, store.create(&new(2, false), State::Queued).await.unwrap().job.id);
    assert_ne!(a, b);
    assert_eq!(a.len(), 32);
}

#[tokio::test]
async fn only_allowed_moves_happen_and_each_leaves_one_event() {
    let (_dir, store) = open().await;
    for from in State::ALL {
        for to in State::ALL {
            assert!(!(from.is_terminal() && from.may_become(to)), "{from} is terminal and may become {to}");
        }
    }
    let id = store.create(&new(1, false), State::Queued).await.unwrap().job.id;
    let go = async |from: State, to: State| store.transition(&id, None, &[from], to, Patch::default()).await;
    assert!(matches!(go(State::Proving, State::Proven).await, Err(StoreError::WrongState { state: State::Queued })));
    assert!(matches!(go(State::Queued, State::Proven).await, Err(StoreError::WrongState { .. })), "not allowed from queued");
    go(State::Queued, State::Proving).await.unwrap();
    go(State::Proving, State::Proven).await.unwrap();
    for state in State::ALL {
        assert!(matches!(go(State::Proven, state).await, Err(StoreError::WrongState { state: State::Proven })));
    }
    let states: Vec<_> = store.events(&id, 0, 100).await.unwrap().into_iter().map(|e| e.data["state"].clone()).collect();
    assert_eq!(states, [json!("queued"), json!("proving"), json!("proven")]);
    let first = store.events(&id, 0, 1).await.unwrap()[0].id;
    assert_eq!(store.events(&id, first, 100).await.unwrap().len(), 2, "events resume after an id");
}

#[tokio::test]
async fn racing_moves_have_one_winner() {
    let (_dir, store) = open().await;
    let id = store.create(&new(1, true), State::SettlementPending).await.unwrap().job.id;
    let ends = [State::Settled, State::Failed, State::Refunded, State::Expired, State::Cancelled];
    let tasks: Vec<_> = ends
        .into_iter()
        .cycle()
        .take(20)
        .map(|end| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move { store.transition(&id, None, &[State::SettlementPending], end, Patch::default()).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += u32::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
    let events = store.events(&id, 0, 100).await.unwrap();
    assert_eq!(events.len(), 2, "creation and one end");
}

#[tokio::test]
async fn a_claimed_job_is_nobody_elses() {
    let (_dir, store) = open().await;
    for n in 0..8 {
        store.create(&new(n, n % 2 == 0), State::Queued).await.unwrap();
    }
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.claim(&[State::Queued], None, 60_000).await.unwrap().map(|(job, _)| job.id) })
        })
        .collect();
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 8, "each job once");
    store.break_leases().await.unwrap();
    assert!(store.claim(&[State::Queued], Some(true), 0).await.unwrap().unwrap().0.chain_job.is_some());
    assert!(store.claim(&[State::Queued], Some(false), 0).await.unwrap().unwrap().0.chain_job.is_none());
    assert!(store.claim(&[State::Proving], None, 0).await.unwrap().is_none());
}

#[tokio::test]
async fn an_old_lease_writes_nothing() {
    let (_dir, store) = open().await;
    let id = store.create(&new(1, true), State::Queued).await.unwrap().job.id;
    let (_, old) = store.claim(&[State::Queued], None, 0).await.unwrap().unwrap(); // runs out at once
    let (_, fresh) = store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
    assert!(fresh.token > old.token);
    let lost = |r: Result<(), StoreError>| matches!(r, Err(StoreError::LeaseLost));
    assert!(lost(store.extend(&old, 1000).await));
    assert!(lost(store.transition(&id, Some(&old), &[State::Queued], State::Proving, Patch::default()).await.map(drop)));
    let tx = SavedTransaction { hash: B256::repeat_byte(1), nonce: 0, raw: Bytes::from_static(b"raw") };
    assert!(lost(store.save_transaction(&old.job, std::slice::from_ref(&old), Purpose::Lock, &tx).await));
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), None);
    store.release(&old, 0, true).await.unwrap();
    assert!(store.claim(&[State::Queued], None, 0).await.unwrap().is_none(), "releasing an old lease frees nothing");
    assert_eq!(store.job(&id).await.unwrap().attempts, 0);

    store.transition(&id, Some(&fresh), &[State::Queued], State::Locking, Patch::default()).await.unwrap();
    // the chain's word needs no lease, and takes the job from whoever holds it
    store.transition(&id, None, &[State::Locking], State::Refunded, Patch::default()).await.unwrap();
    assert!(lost(store.transition(&id, Some(&fresh), &[State::Refunded], State::Failed, Patch::default()).await.map(drop)));
}

#[tokio::test]
async fn a_released_job_waits_its_delay() {
    let (_dir, store) = open().await;
    let id = store.create(&new(1, false), State::Queued).await.unwrap().job.id;
    let (_, lease) = store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
    store.release(&lease, 60_000, true).await.unwrap();
    assert!(store.claim(&[State::Queued], None, 0).await.unwrap().is_none());
    assert_eq!(store.job(&id).await.unwrap().attempts, 1);
    store.break_leases().await.unwrap();
    assert!(store.claim(&[State::Queued], None, 0).await.unwrap().is_some(), "a restart does not wait");
}

#[tokio::test]
async fn a_transaction_is_there_after_a_crash_and_pending_once() {
    let (dir, store) = open().await;
    let id = store.create(&new(1, true), State::Locking).await.unwrap().job.id;
    let (_, lease) = store.claim(&[State::Locking], None, 60_000).await.unwrap().unwrap();
    let tx = |n: u8| SavedTransaction { hash: B256::repeat_byte(n), nonce: u64::from(n), raw: Bytes::from(vec![n; 100]) };
    store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &tx(1)).await.unwrap();
    assert!(
        store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &tx(2)).await.is_err(),
        "one pending transaction per purpose"
    );
    store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Settle, &tx(3)).await.unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("jobs.sqlite")).await.unwrap();
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), Some(tx(1)));
    store.close_transaction(tx(1).hash, "replaced").await.unwrap();
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), None);
    let all = store.transactions(&id).await.unwrap();
    assert_eq!(all[0], ("lock".into(), tx(1).hash, "replaced".into()));
    assert_eq!(all[1], ("settle".into(), tx(3).hash, "pending".into()));
}

#[tokio::test]
async fn every_state_survives_a_crash() {
    let (dir, store) = open().await;
    let mut ids = Vec::new();
    for (n, state) in (0u64..).zip(State::ALL) {
        ids.push((store.create(&new(n, true), state).await.unwrap().job.id, state));
    }
    // a worker dies with all of them in its hands
    while store.claim(&State::ALL, None, 3_600_000).await.unwrap().is_some() {}
    store.set_cursor("chain", 17).await.unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("jobs.sqlite")).await.unwrap();
    store.break_leases().await.unwrap();
    assert_eq!(store.cursor("chain").await.unwrap(), Some(17));
    assert_eq!(store.cursor("other").await.unwrap(), None);
    for (id, state) in &ids {
        let job = store.job(id).await.unwrap();
        assert_eq!(job.state, *state);
        assert!(job.input.is_some());
        let claimed = store.claim(&[*state], None, 60_000).await.unwrap();
        assert_eq!(claimed.map(|(job, _)| job.id).as_ref(), Some(id), "{state} cannot be claimed after a restart");
    }
    let live = store.live_escrows().await.unwrap();
    assert_eq!(live.len(), 5);
    assert!(live.iter().all(|j| !j.state.is_terminal()));
}

#[tokio::test]
async fn failures_in_a_row_are_counted_from_the_newest() {
    let (_dir, store) = open().await;
    assert_eq!(store.failures_in_a_row().await.unwrap(), (0, 0));
    for (n, end) in [State::Failed, State::Settled, State::Failed, State::Cancelled, State::Failed].into_iter().enumerate() {
        let id = store.create(&new(n as u64, true), State::SettlementPending).await.unwrap().job.id;
        store.transition(&id, None, &[State::SettlementPending], end, Patch::default()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // distinct times
    }
    let (failures, latest) = store.failures_in_a_row().await.unwrap();
    assert_eq!(failures, 2, "a cancellation says nothing about this server");
    assert!(latest > 0);
}

#[tokio::test]
async fn the_log_gives_its_room_back() {
    let (dir, store) = open().await;
    let id = store.create(&new(1, false), State::Queued).await.unwrap().job.id;
    for _ in 0..50 {
        store.note(&id, "filler", &json!("x".repeat(10_000))).await.unwrap();
    }
    let log = || std::fs::metadata(dir.path().join("jobs.sqlite-wal")).unwrap().len();
    assert!(log() > 500_000);
    store.make_room().await;
    assert_eq!(log(), 0);
    assert_eq!(store.events(&id, 0, 100).await.unwrap().len(), 51, "nothing is lost");
}
