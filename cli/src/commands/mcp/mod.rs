//! `assay mcp`: the buyer's side of the market as tools for agents, by the Model Context Protocol: over stdin and
//! stdout, or over HTTP.

mod agent;
mod budget;
mod tools;

use crate::args::McpArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::orders;
use crate::page::Page;
use crate::ui::{Ui, say};
use agent::{Agent, Paying, Settings};
use alloy::primitives::B256;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use budget::{Budget, Purse};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

const INSTRUCTIONS: &str = "\
Buys answers of machine-learning models that come with a proof. find_models lists them; quote gives the price of one \
answer; request pays it into escrow if it is within the budget; wait returns the answer once its proof was verified on \
this machine. The money is released only for a valid proof, and goes back after the order's expiry otherwise. verify \
checks somebody else's proof. Amounts are in the token's smallest unit, as text.";

/// The protocol's side of an agent.
#[derive(Clone)]
struct Server(Arc<Agent>);

/// A failure for whoever called: what went wrong, and which page says more.
fn refused(failure: &Failure) -> CallToolResult {
    CallToolResult::structured_error(json!({ "error": failure.text(), "page": failure.page(Page::Agents) }))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        config.server_info = Implementation::new("assay", env!("CARGO_PKG_VERSION"));
        config.instructions = Some(INSTRUCTIONS.to_owned());
        config
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all(self.0.reads_files())))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all(self.0.reads_files()).into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.map_or_else(|| json!({}), Value::Object);
        let call = match serde_json::from_value(json!({ "name": request.name, "arguments": arguments })) {
            Ok(call) => call,
            Err(error) => return Ok(refused(&Failure::message(Exit::Usage, error)).into()),
        };
        let answered = self.0.call(call).await;
        Ok(answered.map_or_else(|failure| refused(&failure), CallToolResult::structured).into())
    }
}

/// The account that pays, if one is named.
async fn paying(args: &McpArgs) -> Outcome<Option<Paying>> {
    let (Some(rpc), Some(market), Some(key)) = (&args.rpc, args.market, &args.private_key) else {
        return Ok(None);
    };
    let Some(total) = args.budget else {
        return Err(Failure::message(Exit::Usage, "an account without a limit is none for an agent: pass --budget"));
    };
    let buyer = super::request::Buyer::open(rpc, market, key, args.token.unwrap_or_default())?;
    let purse =
        Purse { chain_id: buyer.rpc.chain_id().await?, market, buyer: buyer.account.address(), token: buyer.token };
    let ledger = args.ledger.clone().unwrap_or_else(|| orders::home().join("spent.json"));
    let budget = Budget::open(&ledger, purse, total, args.max_price.unwrap_or(total))?;
    Ok(Some(Paying { buyer, budget }))
}

/// Serves tools until stdin ends, or until a signal over HTTP.
pub async fn mcp(_: &Ui, args: McpArgs) -> Outcome {
    let settings = Settings {
        services: args.service.clone(),
        srs: args.srs.srs.clone(),
        files: args.http.is_none(),
        accept_development_key: args.accept_development_key,
        from_balance: args.from_balance,
        batch_max: args.batch_max,
    };
    let server = Server(Arc::new(Agent::new(settings, paying(&args).await?)));
    match args.http {
        None => {
            let failed = |e: &dyn std::fmt::Display| {
                Failure::message(Exit::Io, format!("the connection to the agent is broken: {e}"))
            };
            let running = server.serve(rmcp::transport::stdio()).await.map_err(|e| failed(&e))?;
            running.waiting().await.map(drop).map_err(|e| failed(&e))
        }
        Some(address) => http(server, address, args.http_token.map(|token| (*token).clone())).await,
    }
}

/// Serves over HTTP, to whoever has the token: what is called spends money.
async fn http(server: Server, address: SocketAddr, token: Option<String>) -> Outcome {
    let token = token.unwrap_or_else(|| {
        let drawn = format!("{:x}", B256::random());
        say(format_args!("callers need the header   Authorization: Bearer {drawn}"));
        drawn
    });
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    // a browser's page could call what listens here under another name of this machine
    let config = StreamableHttpServerConfig::default().enforce_origin_validation();
    let config = if address.ip().is_loopback() { config } else { config.disable_allowed_hosts() };
    let service =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config);
    let expected: Arc<str> = format!("Bearer {token}").into();
    let app = axum::Router::new().nest_service("/mcp", service).layer(from_fn_with_state(expected, authorised));
    say(format_args!("listening on http://{address}/mcp"));
    Ok(axum::serve(listener, app).with_graceful_shutdown(assay_api::signalled()).await?)
}

async fn authorised(State(expected): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // of equal length for every guess: how long a comparison takes says nothing of the token
    let [given, expected] = [given, &expected].map(alloy::primitives::keccak256);
    if given == expected { next.run(request).await } else { StatusCode::UNAUTHORIZED.into_response() }
}
