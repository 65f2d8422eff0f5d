//! What the tools do: an agent's orders, each quoted, paid within the budget, waited for and verified.

use super::budget::Budget;
use super::tools::{Call, FindModels, Order, Quote, Verify, Wait};
use crate::args::{ClampingArg, RequestArgs, SrsArg};
use crate::card;
use crate::commands::money;
use crate::commands::request::{self, Buyer, Opened, Ordered};
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::inputs;
use crate::orders::{self, Saved};
use crate::powers;
use crate::proof_file;
use crate::trust::Checked;
use crate::ui::Ui;
use alloy::primitives::{B256, Bytes, U256};
use assay_api::chain::abi::InferenceMarket::State as OnChain;
use assay_api::client::Client;
use assay_api::engine::{Inputs, Outputs, input_digest, native};
use assay_api::receipt;
use assay_api::store::State;
use assay_api::{Model, Prediction, PredictionRequest};
use assay_circuits::batch::Batch;
use assay_circuits::model::Architecture;
use assay_compiler::Sample;
use assay_prover::package::BuyerKey;
use assay_verifier::ProofFile;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How long `wait` waits if it is not told.
const WAIT_SECS: u64 = 60;
const WAIT_SECS_MAX: u64 = 600;
/// Quotes that are kept at a time; the oldest are forgotten, and nothing was paid for them.
const QUOTES_MAX: usize = 1000;

/// What the server was started with.
pub struct Settings {
    /// The first one is asked where the caller names none.
    pub services: Vec<String>,
    pub srs: Option<PathBuf>,
    /// Whether the caller may name files on this machine.
    pub files: bool,
    pub accept_development_key: bool,
    /// Whether the account's credit in the market pays.
    pub from_balance: bool,
    pub batch_max: u32,
}

/// The account that pays, and how much it may.
pub struct Paying {
    pub buyer: Buyer,
    pub budget: Budget,
}

/// An order before it is accepted.
enum Offered {
    /// With the labels that the service gives the output's elements.
    Paid(Box<(Saved, Vec<String>)>),
    Free(Box<Free>),
}

/// A free order, which is kept here only.
#[derive(Clone)]
struct Free {
    service: String,
    request: PredictionRequest,
    key: BuyerKey,
    commitments: Vec<Bytes>,
    context: B256,
    labels: Vec<String>,
    /// The service's name for it, once it is sent.
    prediction: Option<String>,
}

/// An agent's side of the market.
pub struct Agent {
    ui: Ui,
    settings: Settings,
    paying: Option<Paying>,
    offered: Mutex<Vec<(String, Offered)>>,
    free: Mutex<HashMap<String, Free>>,
}

fn bad(text: impl std::fmt::Display) -> Failure {
    Failure::message(Exit::Input, text)
}

fn id(text: &str) -> Outcome<B256> {
    text.parse().map_err(|_| bad(format!("{text:?} is no model's id: `find_models` lists them")))
}

fn disorder<T>(_: T) -> Failure {
    Failure::message(Exit::Failed, "the list of orders is in disorder: start the server again")
}

impl Agent {
    pub fn new(settings: Settings, paying: Option<Paying>) -> Self {
        // nothing but the protocol goes to stdout: with --json, nothing is printed before the end
        Self { ui: Ui::new(true), settings, paying, offered: Mutex::default(), free: Mutex::default() }
    }

    /// Whether callers may name files on this machine.
    pub fn reads_files(&self) -> bool {
        self.settings.files
    }

    /// Does what was asked.
    pub async fn call(&self, call: Call) -> Outcome<Value> {
        match call {
            Call::FindModels(find) => self.find_models(find).await,
            Call::Quote(quote) => self.quote(quote).await,
            Call::Request(order) => self.request(order).await,
            Call::Wait(wait) => self.wait(wait).await,
            Call::Verify(verify) => self.verify(verify).await,
            Call::Budget(_) => self.budget(),
        }
    }

    fn service(&self, named: Option<String>) -> Outcome<String> {
        let known = || self.settings.services.first().cloned();
        named.or_else(known).ok_or_else(|| bad("name the service: the server was started without --service"))
    }

    fn srs(&self) -> Option<&Path> {
        self.settings.srs.as_deref()
    }

    fn budget(&self) -> Outcome<Value> {
        let Some(Paying { buyer, budget }) = &self.paying else {
            return Ok(
                json!({ "paying": false, "why": "the server was started without an account: it asks for free answers \
                    only" }),
            );
        };
        Ok(json!({
            "paying": true, "account": buyer.account.address(), "market": buyer.market, "spent": budget.spent()?.to_string(), "left": budget.left()?.to_string(),
            "budget": budget.total.to_string(), "max_price": budget.each.to_string(),
        }))
    }

    async fn find_models(&self, find: FindModels) -> Outcome<Value> {
        let services = match find.service {
            Some(service) => vec![service],
            None => self.settings.services.clone(),
        };
        let words: Vec<String> = find.query.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
        let (mut found, mut silent) = (Vec::new(), Vec::new());
        for service in services {
            let offers = match Client::new(&service)?.offers().await {
                Ok(offers) => offers,
                Err(error) => {
                    silent.push(json!({ "service": service, "error": error.to_string() }));
                    continue;
                }
            };
            found.extend(offers.iter().filter(|offer| matches(offer, &words)).map(|offer| described(&service, offer)));
        }
        Ok(json!({ "models": found, "unreachable": silent }))
    }

    /// The service's key of a model, which is believed only as far as it was computed again, and the offer that it
    /// belongs to.
    async fn key(&self, client: &Client, model: B256) -> Outcome<(BuyerKey, Model)> {
        let offer = client.offer(model).await?;
        let bytes = client.key(model).await?;
        let key = BuyerKey::from_bytes(bytes, Path::new("the service's key")).map_err(Failure::from)?;
        if powers::are_missing(&key, self.srs()) {
            powers::fetch(&self.ui, client, model, &key).await?;
        }
        let key = Checked::new(&self.ui, key, self.srs())?.key;
        let (commitment, batch) = (B256::from(key.model.commitment()), key.model.shape.batch);
        if commitment != offer.info.model_commitment || batch != Batch::ONE {
            return Err(Failure::message(Exit::Failed, "the service's key is of another model than its list names"));
        }
        Ok((key, offer))
    }

    fn sample(&self, quote: &Quote, offer: &Model, architecture: &Architecture) -> Outcome<Sample> {
        match (&quote.input, &quote.input_file) {
            (Some(input), None) => {
                let numbers = serde_json::from_value::<Inputs>(input.clone()).map_err(|e| {
                    bad(format!("`input` must be a list of numbers, or an object with a list for each input: {e}"))
                })?;
                cut(numbers.in_order(&offer.info.inputs)?, architecture)
            }
            (None, Some(file)) if self.settings.files => {
                if let Some(prepare) = &offer.prepare {
                    prepare.check().map_err(|e| bad(format!("what the service says of inputs cannot be used: {e}")))?;
                }
                inputs::one(Path::new(file), architecture, offer.prepare.as_ref())
            }
            (None, Some(_)) => Err(bad("files on the server's machine are read only by callers on it: pass `input`")),
            _ => Err(bad("pass `input` or `input_file`, one of them")),
        }
    }

    async fn quote(&self, quote: Quote) -> Outcome<Value> {
        let service = self.service(quote.service.clone())?;
        let client = Client::new(&service)?;
        let (key, offer) = self.key(&client, id(&quote.model)?).await?;
        let sample = self.sample(&quote, &offer, &key.model.shape.architecture)?;
        let opened = request::open_input(&self.ui, &key, sample, self.srs(), false, quote.allow_clamping)?;
        let request = PredictionRequest {
            max_tokens: None,
            model: offer.info.id,
            input: Inputs::List(opened.data.clone()),
            blinding: opened.blinding.clone(),
            allow_clamping: quote.allow_clamping,
            batch: None,
            escrow: None,
            context: None,
        };
        match &self.paying {
            Some(paying) if offer.terms.is_some() => {
                self.offer_paid(paying, &service, &quote, key, offer, request, &opened).await
            }
            _ if offer.free => self.offer_free(service, key, offer, request, &opened),
            Some(_) => {
                Err(Failure::message(Exit::Failed, "the service neither sells this model nor proves it for free"))
            }
            None => Err(Failure::message(
                Exit::Failed,
                "the model is sold, and this server was started without an account that pays",
            )),
        }
    }

    /// An order that the agent may accept. Everything in it was checked against the chain.
    #[allow(clippy::too_many_arguments, reason = "one caller, which has all of it at hand")]
    async fn offer_paid(
        &self,
        paying: &Paying,
        service: &str,
        quote: &Quote,
        key: BuyerKey,
        offer: Model,
        mut request: PredictionRequest,
        opened: &Opened,
    ) -> Outcome<Value> {
        let args = self.request_args(paying, service, quote, self.keep_key(&key)?);
        let client = Client::new(service)?;
        let ordered = paying
            .buyer
            .order(&self.ui, &args, &client, &key, &offer.info, input_digest(&opened.commitments), 1)
            .await?;
        let Ordered { escrow, inferences, .. } = ordered;
        request.escrow = Some(escrow);
        let mut saved = paying.buyer.saved(&args, &request, opened, inferences).await?;
        saved.output = Some(orders::home().join("proofs").join(format!("{:x}.json", saved.job)));
        let price = saved.escrow.quote.price;
        let left = paying.budget.left()?;
        let answer = json!({
            "order": saved.job, "price": price.to_string(), "token": saved.escrow.order.token, "prove_secs": saved.escrow.order.prove_secs,
            "refund_after_secs": saved.escrow.order.expire_secs, "valid_until": saved.escrow.quote.valid_until, "inferences_in_the_proof": inferences,
            "outside": opened.outside, "left": left.to_string(), "within_budget": price <= paying.budget.each && U256::from(price) <= left,
        });
        self.keep(saved.job.to_string(), Offered::Paid(Box::new((saved, offer.labels))))?;
        Ok(answer)
    }

    fn offer_free(
        &self,
        service: String,
        key: BuyerKey,
        offer: Model,
        mut request: PredictionRequest,
        opened: &Opened,
    ) -> Outcome<Value> {
        // a free proof is bound to a context of the buyer's choice, so that no older proof can be passed off as this
        // one
        let context = B256::random();
        request.context = Some(context);
        let order = format!("free-{context:x}");
        let free = Free {
            service,
            request,
            key,
            commitments: opened.commitments.clone(),
            context,
            labels: offer.labels,
            prediction: None,
        };
        self.keep(order.clone(), Offered::Free(Box::new(free)))?;
        Ok(json!({ "order": order, "price": "0", "outside": opened.outside, "within_budget": true }))
    }

    fn keep(&self, order: String, offered: Offered) -> Outcome {
        let mut all = self.offered.lock().map_err(disorder)?;
        all.push((order, offered));
        if all.len() > QUOTES_MAX {
            all.remove(0);
        }
        Ok(())
    }

    /// Keeps a key beside the orders, so that the command line goes on with them too.
    fn keep_key(&self, key: &BuyerKey) -> Outcome<PathBuf> {
        Ok(orders::keep_key(key)?)
    }

    /// What `assay request` would be told.
    fn request_args(&self, paying: &Paying, service: &str, quote: &Quote, key: PathBuf) -> RequestArgs {
        RequestArgs {
            generate: None,
            service: service.to_owned(),
            key,
            input: Vec::new(),
            output: None,
            model: None,
            free: false,
            rpc: Some(paying.buyer.url.clone()),
            market: Some(paying.buyer.market),
            private_key: None,
            max_price: paying.budget.each,
            token: Some(paying.buyer.token),
            from_balance: self.settings.from_balance,
            batch_max: self.settings.batch_max,
            accept_development_key: self.settings.accept_development_key,
            public_input: false,
            unclamped: quote.unclamped,
            clamping: ClampingArg { allow_clamping: quote.allow_clamping },
            srs: SrsArg { srs: self.settings.srs.clone() },
        }
    }

    async fn request(&self, Order { order }: Order) -> Outcome<Value> {
        let offered = {
            let mut all = self.offered.lock().map_err(disorder)?;
            let place = all.iter().position(|(name, _)| *name == order);
            let place = place.ok_or_else(|| {
                bad("there is no such order that could be accepted: ask for a quote, or `wait` if it was accepted \
                    before")
            })?;
            all.remove(place).1
        };
        match offered {
            Offered::Free(mut free) => {
                let client = Client::new(&free.service)?;
                let posted = client.predict(&free.request, Some(&format!("{:x}", free.context)), None).await?;
                free.prediction = Some(posted.id.clone());
                self.free.lock().map_err(disorder)?.insert(order.clone(), *free);
                Ok(json!({ "order": order, "prediction": posted.id, "state": posted.state, "paid": "0" }))
            }
            Offered::Paid(paid) => {
                let (saved, labels) = *paid;
                let paying = self
                    .paying
                    .as_ref()
                    .ok_or_else(|| Failure::message(Exit::Failed, "there is no account that pays"))?;
                self.accept(paying, saved, labels).await
            }
        }
    }

    /// Pays for an order and sends it. The price counts before it is paid, and no longer where the chain says that it
    /// was not.
    async fn accept(&self, paying: &Paying, mut saved: Saved, labels: Vec<String>) -> Outcome<Value> {
        let price = saved.escrow.quote.price;
        paying.budget.take(price)?;
        let paid = self.pay(paying, &mut saved).await;
        if let Err(failure) = paid {
            let unpaid = matches!(money::record(&saved).await, Ok((record, _)) if record.state == OnChain::None);
            if unpaid {
                paying.budget.give_back(price)?;
            }
            let whereabouts = money::money_of(&saved).await;
            return Err(failure).context(whereabouts);
        }
        // what a service says of labels is kept with the key, as a seller's card is
        if !labels.is_empty() {
            let card = json!({ "labels": labels }).to_string();
            std::fs::write(files::beside(&saved.key, "card.json"), card)?;
        }
        Ok(json!({
            "order": saved.job, "prediction": saved.prediction, "paid": price.to_string(), "left": paying.budget.left()?.to_string(), "market": saved.market,
        }))
    }

    async fn pay(&self, paying: &Paying, saved: &mut Saved) -> Outcome {
        saved.save()?;
        let client = Client::new(&saved.service)?;
        // a service that takes no more orders without money takes this one once it is paid for
        match request::post(&self.ui, &client, saved).await {
            Err(failure) if request::must_pay_first(&failure) => {}
            other => drop(other?),
        }
        request::pay(&self.ui, &paying.buyer.rpc, &paying.buyer.account, saved).await?;
        if saved.prediction.is_none() {
            request::post(&self.ui, &client, saved).await?;
        }
        Ok(())
    }

    async fn wait(&self, Wait { order, seconds }: Wait) -> Outcome<Value> {
        let patience = Duration::from_secs(seconds.unwrap_or(WAIT_SECS).min(WAIT_SECS_MAX));
        let free = self.free.lock().map_err(disorder)?.get(&order).cloned();
        if let Some(free) = free {
            return self.wait_free(free, patience).await;
        }
        let saved = if order.starts_with("0x") { orders::find(&self.ui, &order)? } else { None };
        let mut saved = saved.ok_or_else(|| bad("there is no such order: `request` accepts what `quote` named"))?;
        let client = Client::new(&saved.service)?;
        let key = Checked::new(&self.ui, files::key(&self.ui, &saved.key)?, self.srs())?.key;
        let key = request::key_of_order(&self.ui, &key, saved.inferences, self.srs())?;
        let collected =
            match tokio::time::timeout(patience, request::collect(&self.ui, &client, &key, &mut saved)).await {
                Ok(collected) => collected,
                Err(_) => return Ok(self.unfinished(&client, saved.prediction.as_deref()).await),
            };
        let (done, file) = match collected {
            Ok(collected) => collected,
            Err(failure) => {
                let whereabouts = money::money_of(&saved).await;
                return Err(failure).context(whereabouts);
            }
        };
        if let Some(output) = &saved.output {
            output.parent().map(std::fs::create_dir_all).transpose()?;
            proof_file::write(&self.ui, &file, output)?;
        }
        saved.request = None;
        saved.save()?;
        let labels = card::beside(&saved.key)?.labels;
        Ok(answer(
            &key,
            &done,
            &file,
            &labels,
            json!({ "paid": saved.escrow.quote.price.to_string(), "proof_file": saved.output }),
        ))
    }

    async fn wait_free(&self, free: Free, patience: Duration) -> Outcome<Value> {
        let client = Client::new(&free.service)?;
        let prediction = free.prediction.unwrap_or_default();
        let Ok(done) = tokio::time::timeout(patience, client.follow(&prediction, |_| ())).await else {
            return Ok(self.unfinished(&client, Some(&prediction)).await);
        };
        let done = done?;
        if done.state != State::Proven {
            let why = done.error_detail.unwrap_or_default();
            return Err(Failure::message(Exit::Failed, format!("the prediction ended as {} {why}", done.state)));
        }
        let proof = client.proof(&done).await?;
        let file = receipt::verified(&free.key, &done, proof, &free.commitments, free.context)?;
        Ok(answer(&free.key, &done, &file, &free.labels, json!({ "paid": "0", "proof": file })))
    }

    async fn unfinished(&self, client: &Client, prediction: Option<&str>) -> Value {
        let now = match prediction {
            Some(prediction) => client.prediction(prediction).await.ok().map(|now| now.state),
            None => None,
        };
        json!({ "done": false, "state": now })
    }

    async fn verify(&self, verify: Verify) -> Outcome<Value> {
        let client = Client::new(&self.service(verify.service.clone())?)?;
        let wanted = verify.context.as_deref().map(|text| proof_file::context(Some(text))).transpose()?;
        let (key, file) = match (&verify.prediction, &verify.proof, &verify.model) {
            (Some(prediction), None, _) => {
                let prediction = client.prediction(prediction).await?;
                let proof = client.proof(&prediction).await?;
                let (key, _) = self.key(&client, prediction.model).await?;
                let inferences = prediction.batch.as_ref().map_or(1, |batch| batch.statement.inferences);
                let key = request::key_of_order(&self.ui, &key, inferences, self.srs())?;
                let file = receipt::proof_file(&key, &prediction, proof)?;
                (key, file)
            }
            (None, Some(proof), Some(model)) => {
                let file = ProofFile::parse(proof.to_string().as_bytes())?;
                let (key, _) = self.key(&client, id(model)?).await?;
                let inferences = file.shared_batch().map_or(1, Batch::inferences) as u32;
                (request::key_of_order(&self.ui, &key, inferences, self.srs())?, file)
            }
            _ => return Err(bad("pass `prediction`, or `proof` with the `model` that it is of")),
        };
        let checked = file.verify(&key.model, Some(&key.wrap));
        let reason = match checked {
            Err(invalid) => Some(invalid.to_string()),
            Ok(()) if wanted.is_some_and(|context| context != file.context) => {
                Some(format!("it is bound to another context, {}", file.context))
            }
            Ok(()) => None,
        };
        Ok(json!({
            "valid": reason.is_none(), "reason": reason, "model_commitment": file.model_commitment, "context": file.context, "clamps": file.clamps,
            "input_commitments": file.input_commitments, "output": file.own_output_data().first(), "development": key.is_development(),
        }))
    }
}

/// Whether all words are in what is said of a model.
fn matches(offer: &Model, words: &[String]) -> bool {
    let labels = offer.labels.join(" ");
    let said =
        format!("{} {} {labels}", offer.info.name, offer.description.as_deref().unwrap_or_default()).to_lowercase();
    words.iter().all(|word| said.contains(word))
}

fn described(service: &str, offer: &Model) -> Value {
    let tensors = |all: &[assay_api::engine::TensorInfo]| -> Vec<Value> {
        all.iter().map(|tensor| json!({ "name": tensor.name, "shape": tensor.shape, "range": tensor.range })).collect()
    };
    json!({
        "service": service, "model": offer.info.id, "name": offer.info.name, "description": offer.description, "labels": offer.labels,
        "inputs": tensors(&offer.info.inputs), "outputs": tensors(&offer.info.outputs), "input_files": offer.prepare, "free": offer.free,
        "price": offer.terms.as_ref().map(|terms| &terms.price), "token": offer.terms.as_ref().map(|terms| terms.token),
        "market": offer.terms.as_ref().map(|terms| terms.market), "chain_id": offer.terms.as_ref().and_then(|terms| terms.chain_id),
        "development": offer.info.development,
    })
}

/// A list of all inputs' elements, by input.
fn cut(all: Vec<f32>, architecture: &Architecture) -> Outcome<Sample> {
    let lengths: Vec<usize> =
        native::inputs(architecture).iter().map(|input| input.len().unwrap_or(usize::MAX)).collect();
    let need = lengths.iter().fold(0usize, |sum, len| sum.saturating_add(*len));
    if all.len() != need {
        return Err(bad(format!("the input has {} values and the model takes {need}", all.len())));
    }
    let mut rest = all.into_iter();
    Ok(lengths.into_iter().map(|len| rest.by_ref().take(len).collect()).collect())
}

/// An answer whose proof was verified here.
fn answer(key: &BuyerKey, done: &Prediction, file: &ProofFile, labels: &[String], more: Value) -> Value {
    let output = file.own_output_data();
    let mut object = json!({
        "done": true, "state": done.state, "verified": true, "output": output.first(), "label": inputs::winners(output.iter().map(Outputs::elements), labels).first(),
        "clamps": file.clamps, "prediction": done.id, "transactions": done.transactions, "development": key.is_development(),
    });
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more);
    }
    object
}
