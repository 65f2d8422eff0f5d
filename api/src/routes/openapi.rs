//! `/openapi.json`, made from the code.

use axum::Json;
use utoipa::OpenApi;

/// The interface's description.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Assay", description = "Machine-learning inferences that come with a proof."),
    paths(
        super::health::livez,
        super::health::readyz,
        super::health::metrics,
        super::models::list,
        super::models::get,
        super::quotes::create,
        super::predictions::create,
        super::predictions::list,
        super::predictions::get,
        super::predictions::cancel,
        super::predictions::proof,
        super::stream::events,
        super::verify::verify,
    ),
    components(schemas(crate::error::Problem, crate::store::Event))
)]
pub struct Description;

/// The description as JSON.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
