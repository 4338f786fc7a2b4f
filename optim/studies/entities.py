"""Named entities on Wikigold: word windows, a hidden layer, and the multi-class hinge."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.models import Dense, Dropout, Embedding, Module, losses, metrics
from minigrad.models.data import datasets
from minigrad.models.data.preprocessing import word_windows
from minigrad.models.data.readers import Sentence
from minigrad.node import Array, Node
from minigrad.ops import concatenate
from minigrad.ops.elementwise import tanh
from minigrad.optim.studies.choosing import Choice
from minigrad.optim.studies.settings import check_fraction, check_positive, check_seeds

TAGS = datasets.WIKIGOLD_TAGS
SOURCES = {name: f"{datasets.WIKIGOLD_MIRRORS[0]}{name}" for name in datasets.WIKIGOLD_FILES}
SHAPES = ("beside", "lower", "Capital", "UPPER", "number", "other")


@dataclass(frozen=True)
class Settings:
    """Of the windows, the net and its training."""

    seed: int = 0
    size: int = 5
    min_count: int = 2
    word_features: int = 48
    shape_features: int = 8
    units: int = 96
    epochs: int = 40
    patience: int = 6
    batch_size: int = 64
    learning_rate: float = 0.002
    dropout: float = 0.4

    def __post_init__(self) -> None:
        counts = ("size", "min_count", "word_features", "shape_features", "units", "epochs", "patience", "batch_size")
        check_positive("entities", **{name: getattr(self, name) for name in counts})
        check_fraction("entities", dropout=self.dropout)
        check_seeds("entities", self.seed)
        if self.size % 2 == 0:
            raise ValueError(f"entities: size = {self.size}: an odd number, with the word to be tagged in the middle")


@dataclass(frozen=True)
class Articles:
    """Sentences by part: of five articles in turn three are trained on, one chooses the epoch, and the last one tests."""

    train: list[Sentence]
    validation: list[Sentence]
    test: list[Sentence]


def load(folder: str) -> Articles:
    """Read the articles; FileNotFoundError or ValueError for what is not Wikigold."""
    parts: dict[str, list[Sentence]] = defaultdict(list)
    for i, article in enumerate(datasets.wikigold_articles(files(folder)[0])):
        parts[("train", "train", "train", "validation", "test")[i % 5]] += article
    return Articles(**parts)


class Tagger(Module):
    """Embeddings of words and of their shapes, side by side, a tanh layer, and a score for each tag."""

    def __init__(self, n_words: int, settings: Settings) -> None:
        rng = np.random.default_rng(settings.seed)
        width = settings.size * (settings.word_features + settings.shape_features)
        self.words = Embedding(n_words, settings.word_features, rng=rng)
        self.shapes = Embedding(len(SHAPES), settings.shape_features, rng=rng)
        self.dropout = Dropout(settings.dropout, rng=rng)
        self.hidden = Dense(width, settings.units, tanh, rng=rng)
        self.scores = Dense(settings.units, len(TAGS), rng=rng)

    def forward(self, words: Node, shapes: Node) -> Node:
        """Scores (n, 5) of windows (n, size) of words and of shapes."""
        n = words.shape[0]
        features = concatenate([self.words(words).reshape(n, -1), self.shapes(shapes).reshape(n, -1)], axis=1)
        return self.scores(self.dropout(self.hidden(self.dropout(features))))


def shape_of(word: str) -> int:
    """Tell which of SHAPES a word has."""
    if word.replace(",", "").replace(".", "").isdigit():
        return 4
    if word.islower():
        return 1
    if word.isupper() and len(word) > 1:
        return 3
    return 2 if word[:1].isupper() else 5


def windows(sentences: Sequence[Sentence], index: dict[str, int], size: int) -> tuple[dict[str, Array], Array]:
    """Make windows of words and of shapes, and the tags of their middle words; beside a sentence stands 0."""
    words = [word_windows([index.get(word, 1) for word, _ in s], size, padding=0) for s in sentences]
    shapes = [word_windows([shape_of(word) for word, _ in s], size, padding=0) for s in sentences]
    tags = np.array([TAGS.index(tag) for s in sentences for _, tag in s])
    return {"words": np.concatenate(words), "shapes": np.concatenate(shapes)}, tags


def split_up(tags: Sequence[Any], sentences: Sequence[Sentence]) -> list[list[str]]:
    """Split the tags of all words into those of sentences, by name."""
    ends = np.cumsum([len(s) for s in sentences])
    return [[TAGS[int(tag)] for tag in part] for part in np.split(np.asarray(tags), ends[:-1])]


def baseline(articles: Articles) -> dict[str, float]:
    """Measure the entity scores of the tag that each word has most often in the training articles; O for words that are not there."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in articles.train + articles.validation:
        for word, tag in sentence:
            counts[word][tag] += 1
    found = [[counts[word].most_common(1)[0][0] if word in counts else "O" for word, _ in s] for s in articles.test]
    return metrics.entity_scores(found, [[tag for _, tag in s] for s in articles.test])


def run_one(folder: str, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Train once; the epoch is chosen by entity F1 on the validation articles."""
    articles = load(folder)
    counts = Counter(word for sentence in articles.train for word, _ in sentence)
    known = [word for word, count in counts.most_common() if count >= settings.min_count]
    index = {word: i for i, word in enumerate(known, 2)}
    train, held, test = (windows(s, index, settings.size) for s in (articles.train, articles.validation, articles.test))
    model = Tagger(len(index) + 2, settings)

    def f1(given: dict[str, Array], sentences: Sequence[Sentence]) -> float:
        found = split_up(optim.predict(model, given).argmax(axis=-1), sentences)
        return metrics.entity_scores(found, [[tag for _, tag in s] for s in sentences])["f1"]

    choice, start = Choice(lambda _: f1(held[0], articles.validation), settings.patience), time.perf_counter()
    history = optim.fit(
        model,
        *train,
        loss=losses.multi_class_hinge,
        optimizer=optim.Adam(model.parameters(), settings.learning_rate),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        callbacks=[choice],
        rng=settings.seed,
        quiet=quiet,
    )
    seconds = time.perf_counter() - start
    model.load_state_dict(choice.best)
    return {
        "run": "word windows, max margin",
        "seconds": round(seconds, 1),
        "epoch": choice.epoch,
        "validation F1": max(choice.measured),
        "test F1": f1(test[0], articles.test),
        "curves": {
            "loss": [float(f"{v:.5g}") for v in history["loss"]],
            "val_f1": [float(f"{v:.4g}") for v in choice.measured],
        },
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """List the arguments of `run_one` for each run."""
    return [(folder, settings)]


def more_rows(folder: str, settings: Settings) -> list[dict[str, Any]]:
    """Compare with the baseline."""
    return [{"run": "most frequent tag of each word", "test F1": baseline(load(folder))["f1"]}]


def headline(rows: list[dict[str, Any]]) -> str:
    """Say the margin over the baseline."""
    scores = [row["test F1"] for row in rows]
    return (
        f"Entity F1 on the test articles: {scores[0]:.3f}, {scores[0] - scores[-1]:.3f} above the most frequent tag of each "
        f"word ({scores[-1]:.3f})."
    )


def files(folder: str) -> list[Path]:
    """Name the file that is read."""
    return [Path(folder, name) for name in datasets.WIKIGOLD_FILES]
