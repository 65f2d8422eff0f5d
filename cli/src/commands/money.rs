//! `assay jobs`, `cancel`, `refund`, `balance`, `deposit`, `withdraw`: where money is, and how it comes back. For
//! buyers and sellers.

use super::{chain, operator};
use crate::args::{AccountArgs, BalanceArgs, DepositArgs, JobArgs, JobsArgs, WithdrawArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::orders::{self, Saved, amount, whereabouts};
use crate::ui::Ui;
use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket::{Job, State};
use assay_api::chain::{ChainError, Rpc, account, money};
use assay_api::client::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a list of orders waits for each one's chain.
const ASK: Duration = Duration::from_secs(5);

/// The market's record of an order, and the chain's time.
pub async fn record(order: &Saved) -> Result<(Job, u64), ChainError> {
    let rpc = Rpc::new(&order.rpc)?;
    Ok((account::job(&rpc, order.market, order.job).await?, rpc.now().await?))
}

/// Where an order's money is: by the chain, if it answers.
pub async fn money_of(order: &Saved) -> String {
    match tokio::time::timeout(ASK, record(order)).await {
        Ok(Ok((record, now))) => whereabouts(order, &record, now),
        _ => orders::perhaps(order),
    }
}

fn state_name(state: State) -> String {
    match state {
        State::None => "unpaid".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Lists the orders that were made here with where their money is, or what a service has.
pub async fn jobs(ui: &Ui, args: JobsArgs) -> Outcome {
    if let (Some(service), Some(token)) = (&args.service, &args.operator_token) {
        let client = Client::new(service)?;
        return match args.retry.is_empty() {
            true => operator::list(ui, &client, token, args.state).await,
            false => operator::retry(ui, &client, token, &args.retry).await,
        };
    }
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for order in orders::all(ui)? {
        let known = match tokio::time::timeout(ASK, record(&order)).await {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the chain does not answer".to_owned()),
        };
        let (state, text) = match &known {
            Ok((record, now)) => (state_name(record.state), whereabouts(&order, record, *now)),
            Err(error) => ("unknown".to_owned(), format!("{error}; {}", orders::perhaps(&order))),
        };
        lines.push(format!("{}  {state:<9} {text}", order.job));
        rows.push(json!({
            "job": order.job, "state": state, "money": text, "price": order.escrow.quote.price.to_string(), "token": order.escrow.order.token,
            "created": order.created, "service": order.service, "prediction": order.prediction, "market": order.market, "file": order.path(),
        }));
    }
    if lines.is_empty() {
        lines.push("no orders were made here".to_owned());
    }
    ui.finish(json!({ "jobs": rows }), lines.join("\n"));
    Ok(())
}

/// A job on its chain, and an account.
struct Found {
    rpc: Rpc,
    market: Address,
    account: PrivateKeySigner,
    job: B256,
    order: Option<Saved>,
}

impl Found {
    fn new(ui: &Ui, args: &JobArgs) -> Outcome<Self> {
        let order = orders::find(ui, &args.job)?;
        let job = match &order {
            Some(order) => order.job,
            None => args.job.parse().map_err(|_| {
                let text = format!(
                    "no order that was made here begins with {}: write the whole job id, 0x and 64 digits",
                    args.job
                );
                Failure::message(Exit::Usage, text)
            })?,
        };
        let missing = |what: &str| Failure::message(Exit::Usage, format!("the job was not ordered here: pass {what}"));
        let rpc = args.rpc.clone().or_else(|| order.as_ref().map(|order| order.rpc.clone()));
        let market = args.market.or_else(|| order.as_ref().map(|order| order.market));
        Ok(Self {
            rpc: Rpc::new(&rpc.ok_or_else(|| missing("--rpc, or set ASSAY_RPC"))?)?,
            market: market.ok_or_else(|| missing("--market, or set ASSAY_MARKET"))?,
            account: chain::signer(&args.private_key)?,
            job,
            order,
        })
    }

    async fn record(&self) -> Outcome<(Job, u64)> {
        Ok((account::job(&self.rpc, self.market, self.job).await?, self.rpc.now().await?))
    }

    /// Says why nothing can be done, and where the money is.
    fn refuse(&self, record: &Job, now: u64, why: &str) -> Failure {
        let place =
            self.order.as_ref().map(|order| format!(": {}", whereabouts(order, record, now))).unwrap_or_default();
        Failure::message(Exit::Failed, format!("{why}: the market's job is {}{place}", state_name(record.state)))
    }
}

/// Takes a job back that nobody has locked.
pub async fn cancel(ui: &Ui, args: JobArgs) -> Outcome {
    let found = Found::new(ui, &args)?;
    let (record, now) = found.record().await?;
    if record.state != State::Funded {
        return Err(found.refuse(&record, now, "only a job that is paid for and not locked is cancelled"));
    }
    let receipt =
        ui.phase_async("cancel", account::cancel(&found.rpc, &found.account, found.market, found.job)).await?;
    // the service hears of it from the chain; this saves it a proof
    if let Some((service, prediction)) =
        found.order.as_ref().and_then(|order| Some((&order.service, order.prediction.as_ref()?)))
        && let Ok(client) = Client::new(service)
        && let Err(error) = client.cancel(prediction).await
    {
        tracing::debug!(%error, "the service was not told");
    }
    back(ui, &args, &found, "cancelled", receipt.gas_used).await
}

/// Takes an expired job's money back; or returns a settled job's, as its seller.
pub async fn refund(ui: &Ui, args: JobArgs) -> Outcome {
    let found = Found::new(ui, &args)?;
    let (record, now) = found.record().await?;
    if record.state == State::Settled {
        let seller = account::funding(&found.rpc, found.market, found.job).await?.snapshot.seller;
        if seller != found.account.address() {
            return Err(found.refuse(&record, now, "the job was served, and only its seller can return the payment"));
        }
        let receipt =
            ui.phase_async("refund", money::refund(&found.rpc, &found.account, found.market, found.job)).await?;
        let text =
            format!("the payment of job {} went back to its buyer's credit ({} gas)", found.job, receipt.gas_used);
        ui.finish(json!({ "job": found.job, "state": "refunded", "gas": receipt.gas_used }), text);
        return Ok(());
    }
    if !matches!(record.state, State::Funded | State::Locked) {
        return Err(found.refuse(&record, now, "there is nothing to refund"));
    }
    let order = account::funding(&found.rpc, found.market, found.job).await?.order;
    let expire_by = record.time.to::<u64>() + u64::from(order.expireSecs);
    if now <= expire_by {
        return Err(found.refuse(
            &record,
            now,
            &format!("the job expires in {} s, and is refunded after that", expire_by - now + 1),
        ));
    }
    let receipt =
        ui.phase_async("refund", account::claim_refund(&found.rpc, &found.account, found.market, found.job)).await?;
    back(ui, &args, &found, "expired", receipt.gas_used).await
}

/// Says that a job's money is the buyer's credit again, and pays it out if that was asked for.
async fn back(ui: &Ui, args: &JobArgs, found: &Found, state: &str, gas: u64) -> Outcome {
    let order = account::funding(&found.rpc, found.market, found.job).await?;
    let (price, token, buyer) = (U256::from(order.snapshot.price), order.order.token, order.order.buyer);
    let mut text = format!(
        "{state}: {} of job {} are in the credit of {buyer} in the market ({gas} gas)",
        amount(price, token),
        found.job
    );
    let mut withdrawn = Value::Null;
    if args.withdraw && buyer == found.account.address() {
        let paid = ui
            .phase_async("withdraw", account::withdraw(&found.rpc, &found.account, found.market, token, price))
            .await?;
        text = format!("{text}\nwithdrawn to {buyer} ({} gas)", paid.gas_used);
        withdrawn = json!(price.to_string());
    } else {
        text += "\n`assay withdraw` takes them out";
    }
    ui.finish(
        json!({ "job": found.job, "state": state, "credited": price.to_string(), "token": token, "gas": gas, "withdrawn": withdrawn }),
        text,
    );
    Ok(())
}

/// What an account has, on its own, in the market, and in jobs that were ordered here.
pub async fn balance(ui: &Ui, args: BalanceArgs) -> Outcome {
    let account = match (args.account, &args.private_key) {
        (Some(account), _) => account,
        (None, Some(key)) => chain::signer(key)?.address(),
        (None, None) => {
            return Err(Failure::message(
                Exit::Usage,
                "whose balance? pass --account, or --private-key (ASSAY_PRIVATE_KEY)",
            ));
        }
    };
    let (rpc, token) = (Rpc::new(&args.rpc)?, args.token.unwrap_or_default());
    let coins = rpc.balance(account).await?;
    let tokens = match token.is_zero() {
        true => None,
        false => Some(rpc.call(token, &assay_api::chain::abi::Erc20::balanceOfCall { account }).await?),
    };
    let credit = account::credit(&rpc, args.market, token, account).await?;
    let mut escrowed = U256::ZERO;
    for order in orders::all(ui)? {
        let (o, here) = (&order.escrow.order, order.market == args.market);
        if here && o.buyer == account && o.token == token {
            let state = account::job(&rpc, args.market, order.job).await?.state;
            if matches!(state, State::Funded | State::Locked) {
                escrowed += U256::from(order.escrow.quote.price);
            }
        }
    }
    let tokens_text = tokens.map(|own| format!("\ntokens  {}", amount(own, token))).unwrap_or_default();
    let text = format!(
        "account {account}\ncoins   {}{tokens_text}\ncredit  {}, in the market\nescrow  {}, in jobs that were ordered \
         here",
        amount(coins, Address::ZERO),
        amount(credit, token),
        amount(escrowed, token)
    );
    ui.finish(
        json!({
            "account": account, "token": token, "coins": coins.to_string(), "tokens": tokens.map(|t| t.to_string()), "credit": credit.to_string(),
            "escrowed": escrowed.to_string(),
        }),
        text,
    );
    Ok(())
}

fn open(args: &AccountArgs) -> Outcome<(Rpc, PrivateKeySigner, Address)> {
    Ok((Rpc::new(&args.chain.rpc)?, chain::signer(&args.chain.private_key)?, args.token.unwrap_or_default()))
}

/// Pays into the account's credit in the market.
pub async fn deposit(ui: &Ui, args: DepositArgs) -> Outcome {
    let (rpc, from, token) = open(&args.account)?;
    let (market, value) = (args.account.market, U256::from(args.amount));
    ui.phase_async("deposit", account::deposit(&rpc, &from, market, token, value)).await?;
    let credit = account::credit(&rpc, market, token, from.address()).await?;
    let text = format!("deposited {}; credit {}", amount(value, token), amount(credit, token));
    ui.finish(json!({ "deposited": value.to_string(), "credit": credit.to_string(), "token": token }), text);
    Ok(())
}

/// Takes credit out of the market.
pub async fn withdraw(ui: &Ui, args: WithdrawArgs) -> Outcome {
    let (rpc, from, token) = open(&args.account)?;
    let market = args.account.market;
    let have = account::credit(&rpc, market, token, from.address()).await?;
    let value = args.amount.map_or(have, U256::from);
    if value > have || value.is_zero() {
        let text = format!("the account {} has a credit of {} in the market", from.address(), amount(have, token));
        return Err(Failure::message(Exit::Failed, text));
    }
    let receipt = ui.phase_async("withdraw", account::withdraw(&rpc, &from, market, token, value)).await?;
    let left = account::credit(&rpc, market, token, from.address()).await?;
    let text = format!(
        "withdrawn {} to {} ({} gas); credit {}",
        amount(value, token),
        from.address(),
        receipt.gas_used,
        amount(left, token)
    );
    ui.finish(
        json!({ "withdrawn": value.to_string(), "credit": left.to_string(), "token": token, "gas": receipt.gas_used }),
        text,
    );
    Ok(())
}
