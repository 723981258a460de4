//! What pilot and staff say to each other about a PIREP.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::flight::Flight;
use crate::domain::pirep::PirepCommand;
use crate::http::caller::{Known, Named, Write};
use crate::http::extract::Body;
use crate::http::pireps::act::act;
use crate::http::pireps::entity::Pirep;
use crate::http::pireps::input::{AnswerPirep, AppealPirep, AskPirep, CommentPirep};
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(ask_pilot))
        .routes(routes!(answer_staff))
        .routes(routes!(appeal_pirep))
        .routes(routes!(comment_pirep))
}

/// Ask the pilot something
///
/// It awaits the pilot until it is answered; staff may decide it meanwhile.
#[utoipa::path(post, path = "/pireps/{id}/ask", operation_id = "askPilot", tag = "review",
    request_body = AskPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        Write),
    responses((status = 200, description = "Asked", body = Pirep)))]
async fn ask_pilot(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<AskPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    let command = PirepCommand::Ask {
        question: value.question,
    };
    act(&state, &known, flight, command, options).await
}

/// Answer what staff asked
///
/// It awaits staff again.
#[utoipa::path(post, path = "/pireps/{id}/answer", operation_id = "answerStaff", tag = "pireps",
    request_body = AnswerPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        Write),
    responses((status = 200, description = "Answered", body = Pirep)))]
async fn answer_staff(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<AnswerPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    let command = PirepCommand::Answer {
        answer: value.answer,
    };
    act(&state, &known, flight, command, options).await
}

/// Appeal against a rejection
///
/// It is submitted again, and awaits staff.
#[utoipa::path(post, path = "/pireps/{id}/appeal", operation_id = "appealPirep", tag = "pireps",
    request_body = AppealPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        Write),
    responses((status = 200, description = "Submitted again", body = Pirep)))]
async fn appeal_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<AppealPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.options(&bytes);
    let command = PirepCommand::Appeal {
        comment: value.comment,
    };
    act(&state, &known, flight, command, options).await
}

/// Comment on a PIREP
///
/// In any state, and without any change to it: its history holds what was said.
#[utoipa::path(post, path = "/pireps/{id}/comments", operation_id = "commentPirep", tag = "pireps",
    request_body = CommentPirep,
    params(("id" = Uuid, Path, description = "Id of the PIREP"),
        Named),
    responses((status = 200, description = "Said", body = Pirep)))]
async fn comment_pirep(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    flight: Flight,
    Body { value, bytes }: Body<CommentPirep>,
) -> Result<Entity<Pirep>, Problem> {
    let options = write.named(&bytes)?;
    let command = PirepCommand::Comment {
        comment: value.comment,
    };
    act(&state, &known, flight, command, options).await
}
