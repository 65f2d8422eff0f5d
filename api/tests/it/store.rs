//! The store: states, leases, fencing, transactions, and what a crash leaves behind.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::Log;
use assay_api::engine::{Clamped, InputOpening};
use assay_api::store::{
    Batch, Checkpoint, Company, Indexed, NewJob, NewPayment, News, Patch, Purpose, SavedTransaction, State, Statement,
    Store, StoreError,
};
use assay_api::x402::{Hold, Payment, Way};
use serde_json::json;

use crate::fake::model_id;
use crate::postgres::Postgres;

pub fn new(n: u64, paid: bool) -> NewJob {
    NewJob {
        text: None,
        model: model_id(1),
        input: InputOpening { data: vec![1.5, -2.0], blinding: vec![keccak256("blinding")] },
        input_commitments: vec![Bytes::from(vec![7; 64])],
        output_cells: vec![-3, 300],
        output_real: vec![-0.1875, 18.75],
        outside: 3,
        clamped: vec![Clamped { layer: "conv \"1\"".into(), cells: 5 }],
        clamps: 6,
        inferences: 1,
        company: None,
        escrow: paid.then(|| ("{}".to_owned(), model_id(1000 + n))),
        context: None,
        unfunded: None,
        trace: None,
        payment: None,
        tenant: None,
        cancel_after_ms: None,
        request_hash: keccak256(n.to_be_bytes()),
        idempotency_key: None,
    }
}

/// A test's database: a file, or, where this file is the module `store_on_postgres`, one of a PostgreSQL server.
struct Place {
    dir: tempfile::TempDir,
    shared: Option<(Arc<Postgres>, String)>,
}

impl Place {
    async fn open(&self) -> Store {
        match &self.shared {
            None => Store::open(&self.dir.path().join("jobs.sqlite")).await.unwrap(),
            Some((_, url)) => Store::connect(url, News::Events).await.unwrap(),
        }
    }
}

/// `None`: there is no PostgreSQL here.
async fn open() -> Option<(Place, Store)> {
    let shared = match module_path!().ends_with("postgres") {
        true => Some(Postgres::database()?),
        false => None,
    };
    let place = Place { dir: tempfile::tempdir().unwrap(), shared };
    let store = place.open().await;
    Some((place, store))
}

#[tokio::test]
async fn a_job_comes_back_as_it_went_in_and_forgets_its_input_when_over() {
    let Some((_place, store)) = open().await else { return };
    let made = store.create(&new(1, true), State::AwaitingPayment).await.unwrap();
    assert!(made.fresh);
    let job = store.job(&made.job.id).await.unwrap();
    assert_eq!(job.input, Some(new(1, true).input));
    assert_eq!((job.output_cells, job.output_real), (vec![-3, 300], vec![-0.1875, 18.75]));
    assert_eq!((job.outside, &job.clamped, job.clamps), (3, &new(1, true).clamped, 6));
    assert_eq!(job.input_commitments, vec![Bytes::from(vec![7; 64])]);
    assert_eq!(job.chain_job, Some(model_id(1001)));
    assert!(matches!(store.create(&new(1, true), State::AwaitingPayment).await, Err(StoreError::EscrowReused)));
    let over = store
        .transition(&made.job.id, None, &[State::AwaitingPayment], State::Cancelled, Patch::default())
        .await
        .unwrap();
    assert_eq!(over.input, None);
    let (a, b) = (made.job.id, store.create(&new(2, false), State::Queued).await.unwrap().job.id);
    assert_ne!(a, b);
    assert_eq!(a.len(), 32);
}

#[tokio::test]
async fn only_allowed_moves_happen_and_each_leaves_one_event() {
    let Some((_place, store)) = open().await else { return };
    for from in State::ALL {
        for to in State::ALL {
            assert!(!(from.is_terminal() && from.may_become(to)), "{from} is terminal and may become {to}");
        }
    }
    let id = store.create(&new(1, false), State::Queued).await.unwrap().job.id;
    let go = async |from: State, to: State| store.transition(&id, None, &[from], to, Patch::default()).await;
    assert!(matches!(go(State::Proving, State::Proven).await, Err(StoreError::WrongState { state: State::Queued })));
    assert!(
        matches!(go(State::Queued, State::Proven).await, Err(StoreError::WrongState { .. })),
        "not allowed from queued"
    );
    go(State::Queued, State::Proving).await.unwrap();
    go(State::Proving, State::Proven).await.unwrap();
    for state in State::ALL {
        assert!(matches!(go(State::Proven, state).await, Err(StoreError::WrongState { state: State::Proven })));
    }
    let states: Vec<_> =
        store.events(&id, 0, 100).await.unwrap().into_iter().map(|e| e.data["state"].clone()).collect();
    assert_eq!(states, [json!("queued"), json!("proving"), json!("proven")]);
    let first = store.events(&id, 0, 1).await.unwrap()[0].id;
    assert_eq!(store.events(&id, first, 100).await.unwrap().len(), 2, "events resume after an id");
}

#[tokio::test]
async fn racing_moves_have_one_winner() {
    let Some((_place, store)) = open().await else { return };
    let id = store.create(&new(1, true), State::SettlementPending).await.unwrap().job.id;
    let ends = [State::Settled, State::Failed, State::Refunded, State::Expired, State::Cancelled];
    let tasks: Vec<_> = ends
        .into_iter()
        .cycle()
        .take(20)
        .map(|end| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                store.transition(&id, None, &[State::SettlementPending], end, Patch::default()).await.is_ok()
            })
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
    let Some((_place, store)) = open().await else { return };
    for n in 0..8 {
        store.create(&new(n, n % 2 == 0), State::Queued).await.unwrap();
    }
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(
                async move { store.claim(&[State::Queued], None, 60_000).await.unwrap().map(|(job, _)| job.id) },
            )
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

/// `count` paid jobs in the queue that may be proven together, `inferences` at a time.
async fn companions(store: &Store, count: u64, inferences: u32) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let job = NewJob { inferences, ..new(n, true) };
        let id = store.create(&job, State::AwaitingPayment).await.unwrap().job.id;
        let patch = Patch { company: Some("the same terms".into()), ..Patch::default() };
        store.transition(&id, None, &[State::AwaitingPayment], State::Queued, patch).await.unwrap();
        ids.push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_whole_however_many_workers_ask() {
    let Some((_place, store)) = open().await else { return };
    let ids = companions(&store, 10, 4).await;
    let ask = || {
        let store = store.clone();
        tokio::spawn(async move { store.claim_batch(&[State::Queued], None, 0, 60_000).await.unwrap() })
    };
    let tasks: Vec<_> = (0..8).map(|_| ask()).collect();
    let mut batches = Vec::new();
    for task in tasks {
        batches.extend(task.await.unwrap());
    }
    let mut sizes: Vec<usize> = batches.iter().map(|batch| batch.jobs.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 4, 4], "two full ones, and what is left");
    let mut taken: Vec<&String> = batches.iter().flat_map(|batch| batch.jobs.iter().map(|job| &job.id)).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), ids.len(), "each job is in one");
    assert!(store.claim(&[State::Queued], None, 0).await.unwrap().is_none(), "none of them is claimed alone");
}

#[tokio::test]
async fn a_batch_changes_hands_as_a_whole() {
    let Some((_place, store)) = open().await else { return };
    companions(&store, 3, 4).await;
    let claim = async |states: &[State]| store.claim_batch(states, None, 0, 0).await.unwrap(); // runs out at once
    let old = claim(&[State::Queued]).await.unwrap();
    let fresh = store.claim_batch(&[State::Queued], None, 0, 60_000).await.unwrap().unwrap();
    assert_eq!((&fresh.id, fresh.jobs.len()), (&old.id, 3));
    assert!(fresh.leases.iter().zip(&old.leases).all(|(new, old)| new.job == old.job && new.token > old.token));
    let lost = |result: Result<(), StoreError>| matches!(result, Err(StoreError::LeaseLost));
    assert!(lost(store.extend_all(&old.leases, 60_000).await));
    assert!(lost(store.transition_all(&old, &[State::Queued], State::Locking, Patch::default()).await.map(drop)));
    assert!(claim(&[State::Queued]).await.is_none());
    store.dissolve(&old.id, &old.leases).await.unwrap(); // not the old holder's any more
    store.transition_all(&fresh, &[State::Queued], State::Locking, Patch::default()).await.unwrap();
    store.release_all(&fresh.leases, 0).await.unwrap();
    let next = claim(&[State::Locking]).await.unwrap();
    assert_eq!((&next.id, next.jobs.len()), (&old.id, 3), "whoever comes next goes on with it");
    store.dissolve(&next.id, &next.leases).await.unwrap();
    assert_ne!(claim(&[State::Locking]).await.unwrap().id, old.id, "its jobs find other company");
}

/// Jobs without an order are found together where they wait in the same way, and their proof is kept for all of them at
/// once.
#[tokio::test]
async fn jobs_without_an_order_share_a_proof() {
    let Some((_place, store)) = open().await else { return };
    let make = async |n: u64, company: Option<Company>| {
        store.create(&NewJob { company, ..new(n, false) }, State::Queued).await.unwrap().job.id
    };
    let free = |most| Some(Company { held: false, most });
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.push(make(n, free(8)).await);
    }
    // others: of another size, of another kind, alone
    for (n, company) in [(5, free(64)), (6, Some(Company { held: true, most: 8 })), (7, None)] {
        make(n, company).await;
    }
    let (first, lease) = store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
    assert_eq!((&first.id, first.company), (&ids[0], free(8)));
    assert_eq!(store.company_of(&first).await.unwrap(), 3);
    let others = store.claim_company(&first, 2, 60_000).await.unwrap();
    assert_eq!(others.iter().map(|(job, _)| &job.id).collect::<Vec<_>>(), [&ids[1], &ids[2]], "the oldest first");
    assert_eq!(store.company_of(&first).await.unwrap(), 1, "who is taken is not there any more");
    let (jobs, leases): (Vec<_>, Vec<_>) = std::iter::once((first, lease)).chain(others).unzip();
    for lease in &leases {
        store.transition(&lease.job, Some(lease), &[State::Queued], State::Proving, Patch::default()).await.unwrap();
    }
    store.request_cancel(&ids[1]).await.unwrap();
    let (context, proof) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let statement = Statement {
        key_hash: B256::ZERO,
        inferences: 8,
        jobs: vec![B256::ZERO; 3],
        input_commitments: Vec::new(),
        output_cells: vec![1, 2, 3],
        clamps: 0,
    };
    let batch = Batch { id: "a batch".into(), jobs, leases };
    store.keep_together(&batch, &statement, context, proof).await.unwrap();
    assert_eq!(store.statement(&batch.id).await.unwrap(), Some(statement));
    for (slot, (id, end)) in ids.iter().zip([State::Proven, State::Cancelled, State::Proven]).enumerate() {
        let job = store.job(id).await.unwrap();
        assert_eq!(job.state, end);
        let shares = (Some(batch.id.clone()), Some(slot as i64), Some(context), Some(proof));
        let has = (job.batch, job.slot, job.context, job.proof_hash);
        assert_eq!(has, if end == State::Proven { shares } else { Default::default() });
    }
}

#[tokio::test]
async fn a_process_claims_jobs_of_its_own_models() {
    let Some((place, store)) = open().await else { return };
    let free = store.create(&new(100, false), State::Queued).await.unwrap().job.id;
    companions(&store, 2, 4).await;
    let [with, without, none] = [place.open().await, place.open().await, place.open().await];
    with.prove_only(&[model_id(2), model_id(1)]);
    without.prove_only(&[model_id(2)]);
    none.prove_only(&[]);
    for other in [&without, &none] {
        assert!(other.claim(&[State::Queued], None, 0).await.unwrap().is_none());
        assert!(other.claim_batch(&[State::Queued], None, 0, 0).await.unwrap().is_none());
        assert_eq!(other.oldest_alone(State::Queued).await.unwrap(), None);
    }
    assert!(with.oldest_alone(State::Queued).await.unwrap().is_some());
    assert_eq!(with.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap().0.id, free);
    assert_eq!(with.claim_batch(&[State::Queued], None, 0, 60_000).await.unwrap().unwrap().jobs.len(), 2);
}

#[tokio::test]
async fn an_old_lease_writes_nothing() {
    let Some((_place, store)) = open().await else { return };
    let id = store.create(&new(1, true), State::Queued).await.unwrap().job.id;
    let (_, old) = store.claim(&[State::Queued], None, 0).await.unwrap().unwrap(); // runs out at once
    let (_, fresh) = store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
    assert!(fresh.token > old.token);
    let lost = |r: Result<(), StoreError>| matches!(r, Err(StoreError::LeaseLost));
    assert!(lost(store.extend(&old, 1000).await));
    assert!(lost(
        store.transition(&id, Some(&old), &[State::Queued], State::Proving, Patch::default()).await.map(drop)
    ));
    let tx = SavedTransaction { hash: B256::repeat_byte(1), nonce: 0, raw: Bytes::from_static(b"raw") };
    assert!(lost(store.save_transaction(&old.job, std::slice::from_ref(&old), Purpose::Lock, &tx).await));
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), None);
    store.release(&old, 0, true).await.unwrap();
    assert!(store.claim(&[State::Queued], None, 0).await.unwrap().is_none(), "releasing an old lease frees nothing");
    assert_eq!(store.job(&id).await.unwrap().attempts, 0);

    store.transition(&id, Some(&fresh), &[State::Queued], State::Locking, Patch::default()).await.unwrap();
    // the chain's word needs no lease, and takes the job from whoever holds it
    store.transition(&id, None, &[State::Locking], State::Refunded, Patch::default()).await.unwrap();
    assert!(lost(
        store.transition(&id, Some(&fresh), &[State::Refunded], State::Failed, Patch::default()).await.map(drop)
    ));
}

#[tokio::test]
async fn a_released_job_waits_its_delay() {
    let Some((_place, store)) = open().await else { return };
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
    let Some((place, store)) = open().await else { return };
    let id = store.create(&new(1, true), State::Locking).await.unwrap().job.id;
    let (_, lease) = store.claim(&[State::Locking], None, 60_000).await.unwrap().unwrap();
    let tx =
        |n: u8| SavedTransaction { hash: B256::repeat_byte(n), nonce: u64::from(n), raw: Bytes::from(vec![n; 100]) };
    store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &tx(1)).await.unwrap();
    assert!(
        store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &tx(2)).await.is_err(),
        "one pending transaction per purpose"
    );
    store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Settle, &tx(3)).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), Some(tx(1)));
    store.close_transaction(tx(1).hash, "replaced").await.unwrap();
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), None);
    let all = store.transactions(&id).await.unwrap();
    assert_eq!(all[0], ("lock".into(), tx(1).hash, "replaced".into()));
    assert_eq!(all[1], ("settle".into(), tx(3).hash, "pending".into()));
}

#[tokio::test]
async fn of_the_versions_of_a_transaction_one_is_mined() {
    let Some((_place, store)) = open().await else { return };
    let id = store.create(&new(1, true), State::Locking).await.unwrap().job.id;
    let (_, lease) = store.claim(&[State::Locking], None, 60_000).await.unwrap().unwrap();
    let leases = std::slice::from_ref(&lease);
    let tx = |n: u8| SavedTransaction { hash: B256::repeat_byte(n), nonce: 7, raw: Bytes::from(vec![n; 100]) };
    store.save_transaction(&id, leases, Purpose::Lock, &tx(1)).await.unwrap();
    for n in [2, 3] {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // distinct times
        store.save_in_place(&id, leases, Purpose::Lock, &tx(n), Some(tx(n - 1).hash)).await.unwrap();
    }
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), Some(tx(3)));
    let versions = store.versions(&id, Purpose::Lock, 7).await.unwrap();
    assert_eq!(versions, [tx(3).hash, tx(2).hash, tx(1).hash]);
    assert!(
        store.transaction_age_ms(tx(1).hash).await.unwrap() > 0
            && store.transaction_age_ms(B256::ZERO).await.unwrap() == 0
    );
    let states = async || -> Vec<String> {
        store.transactions(&id).await.unwrap().into_iter().map(|(.., state)| state).collect()
    };
    assert_eq!(states().await, ["bumped", "bumped", "pending"]);
    store.close_transaction(tx(2).hash, "mined").await.unwrap();
    assert_eq!(states().await, ["replaced", "mined", "replaced"]);
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), None);
    // the chain took the block back, and the same bits are signed again
    store.save_transaction(&id, leases, Purpose::Lock, &tx(2)).await.unwrap();
    assert_eq!(store.pending_transaction(&id, Purpose::Lock).await.unwrap(), Some(tx(2)));
}

#[tokio::test]
async fn every_state_survives_a_crash() {
    let Some((place, store)) = open().await else { return };
    let mut ids = Vec::new();
    for (n, state) in (0u64..).zip(State::ALL) {
        ids.push((store.create(&new(n, true), state).await.unwrap().job.id, state));
    }
    // a worker dies with all of them in its hands
    while store.claim(&State::ALL, None, 3_600_000).await.unwrap().is_some() {}
    store.set_cursor("chain", 17).await.unwrap();
    drop(store);
    let store = place.open().await;
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
async fn what_is_over_is_history() {
    let Some((_place, store)) = open().await else { return };
    let paid =
        NewJob { escrow: Some((json!({ "quote": { "price": "1000" } }).to_string(), model_id(1))), ..new(1, true) };
    let live = store.create(&new(2, false), State::Queued).await.unwrap();
    for (job, state, end) in
        [(paid, State::SettlementPending, State::Settled), (new(3, false), State::Proving, State::Proven)]
    {
        let id = store.create(&job, state).await.unwrap().job.id;
        store.transition(&id, None, &[state], end, Patch::default()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // distinct times
    }
    let ended = store.ended(10).await.unwrap();
    let seen: Vec<_> = ended.iter().map(|one| (one.state, one.price.as_deref())).collect();
    assert_eq!(
        seen,
        [(State::Proven, None), (State::Settled, Some("1000"))],
        "the newest first, and {} is not over",
        live.job.id
    );
    assert!(ended.iter().all(|one| one.model == model_id(1) && one.ended_ms >= one.created_ms - 1000), "{ended:?}");
    assert_eq!(store.ended(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn failures_in_a_row_are_counted_from_the_newest() {
    let Some((_place, store)) = open().await else { return };
    assert_eq!(store.failures_in_a_row().await.unwrap(), (0, 0));
    for (n, end) in
        [State::Failed, State::Settled, State::Failed, State::Cancelled, State::Failed].into_iter().enumerate()
    {
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
    let Some((place, store)) = open().await else { return };
    if store.is_shared() {
        return; // the log is SQLite's
    }
    let id = store.create(&new(1, false), State::Queued).await.unwrap().job.id;
    for _ in 0..50 {
        store.note(&id, "filler", &json!("x".repeat(10_000))).await.unwrap();
    }
    let log = || std::fs::metadata(place.dir.path().join("jobs.sqlite-wal")).unwrap().len();
    assert!(log() > 500_000);
    store.make_room().await;
    assert_eq!(log(), 0);
    assert_eq!(store.events(&id, 0, 100).await.unwrap().len(), 51, "nothing is lost");
}

fn payment(nonce: u8, amount: u32) -> Payment {
    Payment {
        network: "eip155:31337".into(),
        asset: Address::repeat_byte(1),
        payer: Address::repeat_byte(2),
        pay_to: Address::repeat_byte(3),
        amount: amount.to_string(),
        valid_after: U256::ZERO,
        valid_before: U256::MAX,
        nonce: B256::repeat_byte(nonce),
        signature: Bytes::from(vec![0; 65]),
        block: 7,
        transaction: None,
        way: Way::Eip3009,
        by_contract: false,
        held: false,
    }
}

/// An authorisation pays for one prediction, and those of one payer that are under way never need more than the payer
/// has.
#[tokio::test]
async fn payments_pay_once_and_never_more_than_there_is() {
    let Some((_place, store)) = open().await else { return };
    let balance = U256::from(100);
    let job = |n: u64, nonce: u8, amount: u32| NewJob {
        payment: Some(NewPayment { payment: payment(nonce, amount), balance }),
        ..new(n, false)
    };
    let first = store.create(&job(1, 1, 60), State::Queued).await.unwrap().job;
    assert_eq!((first.payment.clone(), first.is_paid()), (Some(payment(1, 60)), true));
    assert!(store.has_payment(&payment(1, 60).id()).await.unwrap());
    assert!(matches!(store.create(&job(2, 1, 10), State::Queued).await, Err(StoreError::PaymentReused)));
    let spent = store.create(&job(3, 2, 41), State::Queued).await.unwrap_err();
    assert!(
        matches!(spent, StoreError::Overdrawn { have, need, .. } if (have, need) == (balance, U256::from(101))),
        "{spent}"
    );
    store.create(&job(4, 3, 40), State::Queued).await.unwrap();
    assert_eq!(store.queued(true).await.unwrap(), 2, "they wait among those that are paid for");
    // it is claimed as a free one is, and settled as a paid one
    let (claimed, lease) = store.claim(&[State::Queued], Some(true), 1000).await.unwrap().unwrap();
    assert_eq!(claimed.id, first.id);
    for next in [State::Proving, State::SettlementPending] {
        store
            .transition(&first.id, Some(&lease), &[State::Queued, State::Proving], next, Patch::default())
            .await
            .unwrap();
    }
    let paid = Payment { transaction: Some(B256::repeat_byte(9)), ..payment(1, 60) };
    let patch = Patch { payment: Some(json!(paid).to_string()), ..Patch::default() };
    let over =
        store.transition(&first.id, Some(&lease), &[State::SettlementPending], State::Settled, patch).await.unwrap();
    assert_eq!(over.payment, Some(paid));
    assert_eq!(store.ended(1).await.unwrap()[0].price.as_deref(), Some("60"));
    // what was captured is not under way any more
    store.create(&job(5, 4, 60), State::Queued).await.unwrap();
}

/// What is held has left the payer's account, and is looked after until it is given back.
#[tokio::test]
async fn what_is_held_is_looked_after_until_it_is_over() {
    let Some((_place, store)) = open().await else { return };
    let hold = Hold { operator: Address::ZERO, capture_deadline: 9, refund_deadline: 9, salt: B256::ZERO };
    let held = |nonce: u8| Payment { way: Way::AuthCapture(hold), ..payment(nonce, 60) };
    let job = |n: u64, payment: Payment| NewJob {
        payment: Some(NewPayment { payment, balance: U256::from(100) }),
        ..new(n, false)
    };
    let first = store.create(&job(1, held(1)), State::Queued).await.unwrap().job.id;
    assert!(matches!(store.create(&job(2, payment(2, 60)), State::Queued).await, Err(StoreError::Overdrawn { .. })));
    let patch = Patch { payment: Some(json!(Payment { held: true, ..held(1) }).to_string()), ..Patch::default() };
    store.transition(&first, None, &[State::Queued], State::Proving, patch).await.unwrap();
    let second = store.create(&job(3, payment(2, 60)), State::Queued).await.unwrap().job.id;
    assert!(store.held_for_nothing(10).await.unwrap().is_empty(), "it is still being proven");
    for (id, end) in [(&first, State::Failed), (&second, State::Cancelled)] {
        store.transition(id, None, &[State::Queued, State::Proving], end, Patch::default()).await.unwrap();
    }
    let ids: Vec<String> = store.held_for_nothing(10).await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(ids, [first.clone()], "of the other nothing was held");
    store.hold_is_over(&first).await.unwrap();
    assert!(store.held_for_nothing(10).await.unwrap().is_empty());
}

fn event(block: u64, index: u64) -> Log {
    Log { block_number: Some(block), log_index: Some(index), ..Log::default() }
}

fn checkpoint(block: u64, hash: u8) -> Checkpoint {
    Checkpoint { block, hash: B256::repeat_byte(hash) }
}

/// Events are there once, in their order, and go with the blocks that they were in.
#[tokio::test]
async fn events_are_indexed_once_and_undone() {
    let Some((place, store)) = open().await else { return };
    let blocks = |found: &Indexed| -> Vec<u64> { found.logs.iter().filter_map(|log| log.block_number).collect() };
    assert!(store.indexed_since("m", None).await.unwrap().is_none());
    let (first, second, third) = (checkpoint(5, 1), checkpoint(9, 2), checkpoint(12, 3));
    assert!(store.index("m", None, &[event(4, 1), event(2, 7)], first).await.unwrap());
    assert!(!store.index("m", None, &[event(4, 1)], first).await.unwrap(), "another process was faster");
    assert!(store.index("m", Some(first), &[event(9, 0)], second).await.unwrap());
    assert!(store.index("m", Some(second), &[event(11, 0)], third).await.unwrap());
    drop(store);
    let store = place.open().await;
    let all = store.indexed_since("m", None).await.unwrap().unwrap();
    assert_eq!((all.at, all.anew, blocks(&all)), (third, true, vec![2, 4, 9, 11]));
    let more = store.indexed_since("m", Some(first)).await.unwrap().unwrap();
    assert_eq!((more.anew, blocks(&more)), (false, vec![9, 11]));
    assert!(store.indexed_since("other", None).await.unwrap().is_none(), "another market's are its own");
    // the chain takes back what came after the first checkpoint
    store.unindex("m", Some(first)).await.unwrap();
    let back = store.indexed_since("m", Some(third)).await.unwrap().unwrap();
    assert_eq!(
        (back.at, back.anew, blocks(&back)),
        (first, true, vec![2, 4]),
        "what was folded since then does not hold"
    );
    assert_eq!(store.checkpoints("m").await.unwrap(), [first]);
    store.unindex("m", None).await.unwrap();
    assert!(store.indexed_since("m", Some(first)).await.unwrap().is_none());
}
