//! The concrete analysis objects: the fields of the interface, and those of each type.

use async_graphql::{Context, ID, Object, Result};
use time::OffsetDateTime;

use super::analysis::{
    AnalysisState, Failure, Provenance, Reason, Resolution, StoredAnalysis, reasons,
};
use super::artifact::Artifact;
use super::context::counted;
use super::decision::{self, Decision};
use super::document::{
    DocumentBarcode, DocumentField, DocumentLine, DocumentPortrait, DocumentQuality, DocumentType,
    Mrz,
};
use super::folder::Folder;
use super::gestures::GesturesMediaResult;
use super::group::{AnalysisGroup, group};
use super::json::Json;
use super::loader;
use super::media::{self, Media};
use super::quality::QualityMediaResult;
use super::results::{FaceMatchMediaResult, FacePair, LivenessMediaResult, ResultView};
use super::scalars::int;

macro_rules! analysis_object {
    ($(#[$doc:meta])* $name:ident { $($specific:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub(super) StoredAnalysis);

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Id.
            pub async fn id(&self) -> ID {
                self.0.analysis.id.into()
            }

            /// Type, such as `liveness`.
            #[graphql(name = "type")]
            pub async fn kind(&self) -> String {
                self.0.analysis.kind.clone()
            }

            /// State of the analysis.
            pub async fn state(&self) -> AnalysisState {
                self.0.analysis.state.into()
            }

            /// The verdict, as people decided or else as the analyzer did; null unless FINISHED.
            pub async fn resolution(&self) -> Option<Resolution> {
                self.0.analysis.verdict().map(Into::into)
            }

            /// The verdict of the analyzer, whatever people decided; null unless FINISHED.
            pub async fn system_resolution(&self) -> Option<Resolution> {
                self.0.analysis.resolution.map(Into::into)
            }

            /// The decision that made the verdict; null unless people decided.
            pub async fn decision(&self) -> Option<Decision> {
                decision::settling(&self.0.analysis)
            }

            /// The decisions of people that you may see, oldest first. Where two people must agree
            /// without seeing each other's decision, it is yours alone until they do.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn decisions(&self, ctx: &Context<'_>) -> Result<Vec<Decision>> {
                decision::seen(ctx, &self.0.analysis)
            }

            /// The analyzer's reasons for its verdict. A verdict other than SUCCESS has at least
            /// one, until its details are erased.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn reasons(&self, ctx: &Context<'_>) -> Result<Vec<Reason>> {
                if self.0.analysis.reasons.is_empty() {
                    return Ok(Vec::new());
                }
                Ok(counted(ctx, reasons(&self.0.analysis, &self.0.contents(ctx).await?))?)
            }

            /// Progress, 0–1.
            pub async fn progress(&self) -> f64 {
                f64::from(self.0.analysis.progress)
            }

            /// The media that it used, in the order of its slots. Index n in `result` is the nth of
            /// them.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn media(&self, ctx: &Context<'_>) -> Result<Vec<Media>> {
                let contents = self.0.contents(ctx).await?;
                let used = self.0.analysis.media.iter();
                let used = used.filter_map(|used| media::in_folder(&contents, used.media_id));
                Ok(counted(ctx, used.collect())?)
            }

            /// Its folder.
            pub async fn folder(&self, ctx: &Context<'_>) -> Result<Folder> {
                Ok(Folder(self.0.contents(ctx).await?))
            }

            /// The analyses that were requested together with it.
            pub async fn group(&self, ctx: &Context<'_>) -> Result<AnalysisGroup> {
                Ok(group(&self.0.contents(ctx).await?, self.0.analysis.group_id))
            }

            /// The parameters in effect: those of the request over the company's over the defaults.
            pub async fn params(&self, ctx: &Context<'_>) -> Result<Json> {
                Ok(loader::params(ctx, self.0.analysis.id).await?)
            }

            /// The analyzer's result in the shape of its result schema; null unless FINISHED.
            pub async fn result(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
                Ok(ResultView::of(ctx, &self.0.analysis).await?.json())
            }

            /// The files that it produced.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn artifacts(&self) -> Vec<Artifact> {
                self.0.artifacts.iter().cloned().map(Artifact).collect()
            }

            /// Time of the request.
            pub async fn created_at(&self) -> OffsetDateTime {
                self.0.analysis.created_at
            }

            /// Time at which a worker first started it.
            pub async fn started_at(&self) -> Option<OffsetDateTime> {
                self.0.analysis.started_at
            }

            /// Time at which it became final.
            pub async fn finished_at(&self) -> Option<OffsetDateTime> {
                self.0.analysis.finished_at
            }

            /// Number of times that a worker started it.
            pub async fn attempts(&self) -> i32 {
                int(self.0.analysis.attempts)
            }

            /// Number of its changes, counted from 1.
            pub async fn revision(&self) -> i32 {
                int(self.0.analysis.revision)
            }

            /// Why there is no verdict; null unless FAILED.
            pub async fn failure(&self) -> Option<Failure> {
                self.0.analysis.failure.as_ref().map(Failure::from)
            }

            /// The plugin, weights and parameters behind the verdict.
            pub async fn provenance(&self) -> Provenance {
                Provenance::from(&self.0.analysis.provenance)
            }

            /// Time at which its reasons, result, artifacts, provenance and the message of its
            /// failure were erased, because a medium that it used was deleted. Its verdict stays.
            pub async fn details_erased_at(&self) -> Option<OffsetDateTime> {
                self.0.analysis.details_erased_at
            }

            /// Version of the company's policy under which people decide it; null before the first
            /// decision, and 0 if the company had no policy.
            pub async fn decision_policy_version(&self) -> Option<i32> {
                let decisions = &self.0.analysis.decisions;
                (!decisions.taken.is_empty()).then(|| int(decisions.rule.policy_version))
            }

            $($specific)*
        }
    };
}

analysis_object! {
    /// Whether a living person was before the camera, rather than a picture, a screen or a mask.
    LivenessAnalysis {
        /// Probability of a presentation attack, 0–1: that of the worst medium.
        async fn score(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.number("score")?)
        }

        /// The findings of each medium.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<LivenessMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            let view = ResultView::of(ctx, &self.0.analysis).await?;
            Ok(counted(ctx, view.liveness_media(&contents)?)?)
        }

        /// The best picture of the living person.
        async fn best_shot(&self) -> Option<Artifact> {
            self.0.best_shot()
        }
    }
}

analysis_object! {
    /// Whether the faces of several media are the same person's.
    FaceMatchAnalysis {
        /// Calibrated similarity of the least similar pair, 0–1.
        async fn similarity(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.number("similarity")?)
        }

        /// False match rate at the threshold `acceptFrom`: the share of pairs of different people
        /// that it accepts; null outside the measured range.
        async fn fmr(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.number("fmr")?)
        }

        /// All pairs of media.
        async fn pairs(&self, ctx: &Context<'_>) -> Result<Vec<FacePair>> {
            let contents = self.0.contents(ctx).await?;
            let view = ResultView::of(ctx, &self.0.analysis).await?;
            Ok(counted(ctx, view.pairs(&contents)?)?)
        }

        /// How each medium was used.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<FaceMatchMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            let view = ResultView::of(ctx, &self.0.analysis).await?;
            Ok(counted(ctx, view.face_match_media(&contents)?)?)
        }
    }
}

analysis_object! {
    /// The contents of an identity document, and whether they are consistent.
    DocumentAnalysis {
        /// Type of the document; null until it is known.
        async fn document_type(&self, ctx: &Context<'_>) -> Result<Option<DocumentType>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.document_type()?)
        }

        /// The fields of the document, from all its zones.
        async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<DocumentField>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.fields).unwrap_or_default())?)
        }

        /// Its machine-readable zone; null if none was read.
        async fn mrz(&self, ctx: &Context<'_>) -> Result<Option<Mrz>> {
            Ok(self.0.document(ctx).await?.and_then(|document| document.mrz))
        }

        /// Its barcodes.
        async fn barcodes(&self, ctx: &Context<'_>) -> Result<Vec<DocumentBarcode>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.barcodes).unwrap_or_default())?)
        }

        /// The portrait of the holder.
        async fn portrait(&self, ctx: &Context<'_>) -> Result<Option<DocumentPortrait>> {
            Ok(self.0.document(ctx).await?.and_then(|document| document.portrait))
        }

        /// Quality of the picture of each side.
        async fn quality(&self, ctx: &Context<'_>) -> Result<Vec<DocumentQuality>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.quality).unwrap_or_default())?)
        }

        /// The lines of its visual zone, in reading order.
        async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<DocumentLine>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.lines).unwrap_or_default())?)
        }
    }
}

analysis_object! {
    /// Whether pictures of a face are good enough for analysis.
    QualityAnalysis {
        /// Quality of the worst medium, 0–100; null if a medium shows no face.
        async fn overall(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.number("overall")?)
        }

        /// The measurements of each medium.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<QualityMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            let view = ResultView::of(ctx, &self.0.analysis).await?;
            Ok(counted(ctx, view.quality_media(&contents)?)?)
        }
    }
}

analysis_object! {
    /// Whether a person makes the gestures that were asked for.
    GesturesAnalysis {
        /// Whether the gestures were drawn by the server; null without a result.
        async fn challenge(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
            Ok(ResultView::of(ctx, &self.0.analysis).await?.flag("challenge")?)
        }

        /// The gestures of each clip.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<GesturesMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            let view = ResultView::of(ctx, &self.0.analysis).await?;
            Ok(counted(ctx, view.gestures_media(&contents)?)?)
        }
    }
}

analysis_object! {
    /// An analysis of any other type that a plugin offers; see its result schema in `analyzers`.
    CustomAnalysis {}
}
