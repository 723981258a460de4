//! What a process tells of itself at `/metrics`.

/// The sum of the series whose line begins with `name` and holds every one of `labels`.
///
/// # Panics
/// When nobody answers.
pub async fn sum(url: &str, name: &str, labels: &[&str]) -> f64 {
    let answer = reqwest::get(url).await.expect("an answer");
    let text = answer.text().await.expect("text");
    text.lines()
        .filter(|line| line.starts_with(name))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
