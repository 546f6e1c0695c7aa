//! Converts the recogniser's output for a line to its characters. A zone has a fixed pitch and
//! lines of 30, 36 or 44 characters, which determines the positions of the characters. The best
//! positions are found by dynamic programming.

use crate::text::recognise::{MRZ, MrzSheet, NOTHING};

/// Possible lengths of lines, in characters.
pub(crate) const LENGTHS: [usize; 3] = [30, 36, 44];
/// Penalty for a distance between two characters that differs from the pitch (times the squared
/// relative difference).
const STIFFNESS: f32 = 9.0;
/// Likelihood assigned to an empty place.
const EMPTY: f32 = 0.02;
/// Penalty for every recognised character without a place.
const LEFT_OVER: f32 = 3.0;
/// Penalty for two places that share one recognised letter; a run of fillers may be recognised as
/// one.
const SHARED: f32 = 5.0;
/// Relative changes of the pitch from beginning to end that are tried: perspective changes it along
/// a line.
const WIDENING: [f32; 3] = [0.0, -0.2, 0.2];
/// Penalty for a changing pitch, per character: most lines have none.
const BELIEVED: f32 = 0.05;
/// Index of the filler in [`MRZ`].
const FILLER: usize = 36;
/// Penalty for the distance, in squared pitches, between a character and the one of the guiding
/// line.
const LEANING: f32 = 1.5;
/// Minimum probability of a recognised character in a row.
const SEEN: f32 = 0.3;
/// Minimum divisor when the probabilities of a place are normalised; a place with less total
/// probability stays uncertain.
const SURE_MASS: f32 = 0.8;
/// Minimum share of equal characters in two agreeing readings of a line.
const AGREEMENT: f32 = 0.7;
/// Minimum mean probability of a place of which one reading is certain and that no other reading
/// contradicts.
const UNCONTRADICTED: f32 = 0.65;
/// Maximum difference of a reading's fit to the best one; readings with a worse fit are dropped.
const WORSE: f32 = 0.25;

/// Probabilities of the 37 characters at one place of a line.
pub(crate) type Place = [f32; 37];

/// A line interpreted with a given number of characters.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    pub(crate) places: Vec<Place>,
    /// Positions of the places, as shares of the line's length from its left end.
    pub(crate) along: Vec<f32>,
    /// Logarithmic score per character; 0 is perfect.
    pub(crate) score: f32,
}

/// A recognised character and the row of its centre.
#[derive(Debug, Clone, Copy)]
struct Peak {
    class: usize,
    row: f32,
}

/// The recognised characters with their rows: the peaks of the sheet.
fn seen(sheet: &MrzSheet) -> Vec<Peak> {
    let mut peaks = Vec::new();
    let mut run: Option<(usize, f32, f32)> = None;
    for (t, row) in sheet.rows.iter().enumerate() {
        let best = (0..NOTHING).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        let value = row[best];
        let counts = value > SEEN;
        match &mut run {
            Some((class, sum, moment)) if counts && *class == best => {
                *sum += value;
                *moment += value * t as f32;
            }
            _ => {
                if let Some((class, sum, moment)) = run.take() {
                    peaks.push(Peak { class, row: moment / sum });
                }
                if counts {
                    run = Some((best, value, value * t as f32));
                }
            }
        }
    }
    if let Some((class, sum, moment)) = run {
        peaks.push(Peak { class, row: moment / sum });
    }
    peaks
}

/// Whether a filler is among the recognised characters.
pub(crate) fn has_filler(sheet: &MrzSheet) -> bool {
    seen(sheet).iter().any(|peak| peak.class == FILLER)
}

/// The line as `length` characters; `None` if too few characters are recognised.
pub(crate) fn fit(sheet: &MrzSheet, length: usize) -> Option<Fit> {
    let peaks = seen(sheet);
    let (first, last) = (peaks.first()?.row, peaks.last()?.row);
    if peaks.len() < length / 3 || last - first < length as f32 {
        return None;
    }
    let pitches = [0, 1, 2].map(|missing| (last - first) / (length - 1 - missing) as f32);
    let ways = pitches.into_iter().flat_map(|pitch| WIDENING.map(|widening| (pitch, widening)));
    let tried = ways.filter_map(|(pitch, widening)| {
        let gap = |n: usize| pitch * (1.0 + widening * (n as f32 / (length - 1) as f32 - 0.5));
        let fit = aligned(sheet, &peaks, &Setting { length, pitch, gap: &gap, beside: None })?;
        Some((fit.score - if widening == 0.0 { 0.0 } else { BELIEVED }, fit))
    });
    tried.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, fit)| fit)
}

/// The line with its characters at the positions of another line's characters, given as shares of
/// the length. The characters of a zone's lines are aligned, so that a well read line determines
/// the positions in a badly read one.
pub(crate) fn fit_beside(sheet: &MrzSheet, along: &[f32]) -> Option<Fit> {
    let places: Vec<f32> = along.iter().map(|along| along * sheet.span - 0.5).collect();
    let (first, last) = (places.first()?, places.last()?);
    let pitch = (last - first) / (places.len() - 1).max(1) as f32;
    if pitch < 1.0 {
        return None;
    }
    let gap = |n: usize| (places[n] - places[n - 1]).max(1.0);
    aligned(
        sheet,
        &seen(sheet),
        &Setting { length: places.len(), pitch, gap: &gap, beside: Some(&places) },
    )
}

/// Expected positions of a line's characters, in rows.
struct Setting<'s> {
    length: usize,
    pitch: f32,
    /// Distance before the n-th character.
    gap: &'s dyn Fn(usize) -> f32,
    /// Rows of the guiding line's characters, if there is one.
    beside: Option<&'s [f32]>,
}

/// The best positions of the characters for this setting.
fn aligned(sheet: &MrzSheet, peaks: &[Peak], setting: &Setting<'_>) -> Option<Fit> {
    let (rows, length, pitch) = (sheet.rows.len(), setting.length, setting.pitch);
    let leaning = |n: usize, t: usize| {
        setting.beside.map_or(0.0, |places| LEANING * ((t as f32 - places[n]) / pitch).powi(2))
    };
    let letters: Vec<Option<usize>> =
        (0..rows).map(|t| letter_at(peaks, t as f32, pitch)).collect();
    let evidence: Vec<f32> =
        (0..rows).map(|t| mass(sheet, t as f32, pitch).1.max(EMPTY).ln()).collect();
    // best[n][t]: the best score with the n-th character at row t; from[n][t]: the row of the one
    // before.
    let mut best = vec![vec![f32::MIN; rows]; length];
    let mut from = vec![vec![0usize; rows]; length];
    for (t, evidence) in evidence.iter().enumerate() {
        best[0][t] = evidence - leaning(0, t);
    }
    for n in 1..length {
        let here = (setting.gap)(n);
        let gaps = ((0.6 * here).floor().max(1.0) as usize)..=((1.5 * here).ceil() as usize);
        for t in 0..rows {
            let leaning = leaning(n, t);
            for gap in gaps.clone().filter(|gap| *gap <= t) {
                let stretch = gap as f32 / here - 1.0;
                let shared = if letters[t].is_some() && letters[t] == letters[t - gap] {
                    SHARED
                } else {
                    0.0
                };
                let score = best[n - 1][t - gap] - STIFFNESS * stretch * stretch - shared - leaning
                    + evidence[t];
                if best[n - 1][t - gap] > f32::MIN && score > best[n][t] {
                    best[n][t] = score;
                    from[n][t] = t - gap;
                }
            }
        }
    }
    let mut ends: Vec<usize> = (0..rows).filter(|end| best[length - 1][*end] > f32::MIN).collect();
    ends.sort_by(|a, b| best[length - 1][*b].total_cmp(&best[length - 1][*a]));
    let mut found: Option<(f32, Vec<usize>)> = None;
    for end in ends {
        let reached = best[length - 1][end];
        // The penalty for unclaimed characters only lowers the score, and all later ends have at
        // most this score.
        if found.as_ref().is_some_and(|(known, _)| reached <= *known) {
            break;
        }
        let mut places = vec![end; length];
        for n in (1..length).rev() {
            places[n - 1] = from[n][places[n]];
        }
        let score = reached - LEFT_OVER * unclaimed(peaks, &places, pitch) as f32;
        if found.as_ref().is_none_or(|(known, _)| score > *known) {
            found = Some((score, places));
        }
    }
    let (score, places) = found?;
    let along = places.iter().map(|t| (*t as f32 + 0.5) / sheet.span).collect();
    let places = places.iter().map(|t| mass(sheet, *t as f32, pitch).0).collect();
    Some(Fit { places, along, score: score / length as f32 })
}

/// Index of the recognised letter or digit that a place at this row would take.
fn letter_at(peaks: &[Peak], row: f32, pitch: f32) -> Option<usize> {
    let distance = |i: &usize| (peaks[*i].row - row).abs();
    let nearest = (0..peaks.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (peaks[nearest].class != FILLER && distance(&nearest) < 0.6 * pitch).then_some(nearest)
}

/// Number of recognised characters that no place takes, if every place takes the nearest one.
fn unclaimed(peaks: &[Peak], places: &[usize], pitch: f32) -> usize {
    let mut claimed = vec![false; peaks.len()];
    for place in places {
        let distance = |i: &usize| (peaks[*i].row - *place as f32).abs();
        let nearest = (0..peaks.len())
            .filter(|i| !claimed[*i])
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(i) = nearest.filter(|i| distance(i) < 0.6 * pitch) {
            claimed[i] = true;
        }
    }
    claimed.iter().filter(|claimed| !**claimed).count()
}

/// The normalised probabilities of characters around row `centre`, and the highest raw one.
fn mass(sheet: &MrzSheet, centre: f32, pitch: f32) -> (Place, f32) {
    let reach = 0.5 * pitch;
    let low = (centre - reach).ceil().max(0.0) as usize;
    let high = ((centre + reach).floor() as usize).min(sheet.rows.len().saturating_sub(1));
    let mut place = [0.0f32; 37];
    for t in low..=high {
        let near = 1.0 - 0.5 * ((t as f32 - centre) / reach).powi(2);
        for (sum, value) in place.iter_mut().zip(&sheet.rows[t]) {
            // A character appears in one row or in several: the highest probability counts.
            *sum = sum.max(near * value);
        }
    }
    let total: f32 = place.iter().sum();
    let highest = place.iter().copied().fold(0.0, f32::max);
    (place.map(|value| value / total.max(SURE_MASS)), highest)
}

/// Whether a place has a probability below `least`. Fillers between fillers are ignored: some
/// fillers of a run are often not recognised.
pub(crate) fn has_doubt(places: &[Place], least: f32) -> bool {
    let is_filler =
        |place: &Place| place[FILLER] > 0.0 && place.iter().all(|value| *value <= place[FILLER]);
    let in_run =
        |at: usize| places[at.saturating_sub(1)..(at + 2).min(places.len())].iter().all(is_filler);
    let is_sure = |place: &Place| place.iter().any(|value| *value >= least);
    places.iter().enumerate().any(|(at, place)| !is_sure(place) && !in_run(at))
}

/// Whether the readings that agree with the best one are certain: at each place, one of them is
/// certain and the others do not contradict it.
pub(crate) fn is_settled(readings: &[Fit], least: f32) -> bool {
    let agreeing = agreeing(readings);
    let Some(best) = agreeing.first() else { return false };
    let surest = |at: usize| {
        std::array::from_fn(|c| agreeing.iter().map(|fit| fit.places[at][c]).fold(0.0, f32::max))
    };
    let surest: Vec<Place> = (0..best.places.len()).map(surest).collect();
    !has_doubt(&surest, least) && !has_doubt(&mean(&agreeing), UNCONTRADICTED)
}

/// The best reading of a line and those that agree with it and have a similar fit. A reading that
/// is shifted by one place would only blur the mean.
pub(crate) fn agreeing(readings: &[Fit]) -> Vec<&Fit> {
    let Some(best) = readings.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else {
        return Vec::new();
    };
    let likeliest = |place: &Place| (0..place.len()).max_by(|a, b| place[*a].total_cmp(&place[*b]));
    let agrees = |fit: &&Fit| {
        let pairs = fit.places.iter().zip(&best.places);
        let alike = pairs.filter(|(a, b)| likeliest(a) == likeliest(b)).count();
        fit.score >= best.score - WORSE && alike as f32 >= AGREEMENT * fit.places.len() as f32
    };
    readings.iter().filter(agrees).collect()
}

/// The mean of several readings of a line, place by place.
pub(crate) fn mean(readings: &[&Fit]) -> Vec<Place> {
    let length = readings.iter().map(|fit| fit.places.len()).min().unwrap_or(0);
    let count = readings.len() as f32;
    let sum = |at: usize| {
        std::array::from_fn(|c| readings.iter().map(|fit| fit.places[at][c]).sum::<f32>() / count)
    };
    (0..length).map(sum).collect()
}

/// The characters of a place with a probability of at least `least`, best first, at most `most`. At
/// least the best one.
pub(crate) fn ranked(place: &Place, least: f32, most: usize) -> Vec<(char, f32)> {
    let mut ranked: Vec<(char, f32)> =
        MRZ.iter().zip(place).map(|(c, p)| (char::from(*c), *p)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best = ranked.first().copied();
    ranked.retain(|(_, p)| *p >= least);
    if ranked.is_empty() {
        ranked.extend(best);
    }
    ranked.truncate(most);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet with four rows for each character; `·` is not recognised.
    fn sheet(line: &str) -> MrzSheet {
        let mut rows = Vec::new();
        for c in line.chars() {
            let mut seen = [0.0f32; 38];
            seen[NOTHING] = 1.0;
            rows.extend([seen; 4]);
            if let Some(class) = MRZ.iter().position(|known| char::from(*known) == c) {
                let last = rows.len() - 2;
                rows[last] = [0.0; 38];
                rows[last][class] = 0.95;
                rows[last][NOTHING] = 0.05;
            }
        }
        MrzSheet { span: rows.len() as f32, rows }
    }

    fn text(fit: &Fit) -> String {
        fit.places.iter().map(|place| ranked(place, 0.005, 1)[0].0).collect()
    }

    #[test]
    fn complete_line_guides_the_incomplete_one() {
        let numbers = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let names = "P<UTOERIKSSON··ANNA·MARIA···················";
        let guide = fit(&sheet(numbers), 44).unwrap();
        assert_eq!(text(&guide), numbers);
        let beside = fit_beside(&sheet(names), &guide.along).unwrap();
        for (read, drawn) in
            text(&beside).chars().zip(names.chars()).filter(|(_, drawn)| *drawn != '·')
        {
            assert_eq!(read, drawn, "{}", text(&beside));
        }
        assert!(guide.score > -0.2 && beside.score < guide.score);
    }

    #[test]
    fn readings_with_a_much_worse_fit_are_dropped() {
        let good = fit(&sheet("L898902C36UTO7408122F1204159ZE184226B<<<<<10"), 44).unwrap();
        let (near, far) = (
            Fit { score: good.score - 0.2, ..good.clone() },
            Fit { score: good.score - 0.3, ..good.clone() },
        );
        assert_eq!(agreeing(&[near, good, far]).len(), 2);
    }
}
