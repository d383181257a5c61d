"""How rows are trained: one function a method. None of them looks at the judged images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as fn

from edge.imaging.preprocess import Preprocessing
from trainer.comparison import plain
from trainer.comparison.answers import Answers
from trainer.comparison.feature_head import FeatureHead
from trainer.comparison.features import cached
from trainer.comparison.job import Job, Made, digest, network_digest, trained
from trainer.comparison.material import Material
from trainer.comparison.networks import ResNet50, Vgg16
from trainer.comparison.private import private_run
from trainer.comparison.recipes import ComparisonError
from trainer.comparison.small_networks import SmallCnn, wide
from trainer.data import shortcuts, sources
from trainer.network.augment import augment, network_input
from trainer.network.edge_net import EdgeNet
from trainer.prior.weights import load_prior
from trainer.privacy.batch_check import refuse_batch_dependence
from trainer.privacy.ledger import Ledgers
from trainer.privacy.units import data_set
from trainer.training import fit, run_record
from trainer.training.dp_sgd import DpSgd

Method = Callable[[Job], Made]


def network(job: Job) -> Made:
    """A large network from scratch, without privacy."""
    kinds: dict[str, Callable[..., nn.Module]] = {"resnet50": ResNet50, "vgg16": Vgg16}
    settings, task = job.settings, job.material.train
    net = kinds[settings["network"]](len(task.classes), settings["side"])
    names = ("epochs", "batch", "rate", "decay")
    plain.train(
        net,
        plain.nine_classes(task) if settings.get("nine_classes") else task,
        plain.standard_input,
        job.device,
        title=job.recipe.title,
        **{name: settings[name] for name in names},
    )
    answer = plain.answering(net, plain.standard_input, job.device)
    return Made(answer, network_digest(net), dict(settings), job.device, parameters=trained(net))


def dp_sgd(job: Job) -> Made:
    """A small network from scratch, by the engine of trainer fit that trains every layer."""
    settings, task = job.settings, job.material.train
    classes = len(task.classes)
    net: nn.Module = SmallCnn(classes) if settings["network"] == "small" else wide(classes, settings["wide"])
    refuse_batch_dependence(net, torch.randn(3, 3, 224, 224))
    names = ("rate", "views")
    asked: dict[str, Any] = {name: settings[name] for name in names if name in settings}
    engine = _with(DpSgd(depth="all"), {**settings["engine"], **asked, "device": str(job.device)})
    if settings.get("nine_classes"):
        task = plain.nine_classes(task)
    # The engine asks of a network no more than that it maps inputs to logits.
    one = cast("EdgeNet", net)
    engine.check(one, task)
    _, privacy = private_run(job, engine, lambda spend: engine.train(one, task, spend))
    answer = plain.answering(net, network_input, job.device)
    made = {**settings, "engine": asdict(engine)}
    return Made(answer, network_digest(net), made, job.device, privacy, parameters=trained(net))


def features(job: Job) -> Made:
    """A private head on fixed features, by `FeatureHead`."""
    settings, task = job.settings, job.material.train
    names = {each.name for each in fields(FeatureHead)}
    engine = FeatureHead(**{name: value for name, value in settings.items() if name in names})
    function, values, earlier = cached(job)
    head, privacy = private_run(job, engine, lambda spend: engine.train(values, task, spend))

    def answer(material: Material) -> Answers:
        logits = head(function.judged(material))
        return Answers(np.asarray(logits.numpy(), np.float32))

    return Made(
        answer,
        digest(each.numpy() for each in (head.centre, head.weight, head.bias)),
        {**settings, **asdict(engine), "features": values.shape[1]},
        job.device,
        privacy,
        earlier_seconds=earlier,
        parameters=head.weight.numel() + head.bias.numel(),
    )


def ours(job: Job) -> Made:
    """The recipe of ``trainer fit``, by its own function, on other preprocessing or fewer images if asked."""
    settings, task = job.settings, job.material.train
    engine = _with(fit.ENGINES["head"](), settings.get("engine", {}))
    # The engine may change; a trial and the device are for settings that it has.
    known = {each.name for each in fields(engine)} - set(settings.get("engine", {}))
    asked = {**settings.get("trial", {}), "device": str(job.device)}
    engine = _with(engine, {name: value for name, value in asked.items() if name in known})
    epsilon = job.recipe.epsilon
    assert epsilon is not None
    with tempfile.TemporaryDirectory() as folder:
        record = fit.fit(
            task,
            engine,
            epsilon=epsilon,
            delta=job.delta,
            prior=job.prior if engine.needs_prior else None,
            out=Path(folder),
            data_note=sources.describe(task.records, task.units.name),
            terms=job.material.terms,
        )
        _, net = run_record.load(Path(folder))
    said = record.privacy.model_dump(mode="json")
    return Made(
        _by_likeness(net, job.device),
        network_digest(net),
        {**settings, "engine": {name: record.training[name] for name in asdict(engine)}},
        job.device if "device" in asdict(engine) else torch.device("cpu"),
        {
            "epsilon": said["epsilon"],
            "epsilon_prv": said["epsilon_cross_check"],
            **{name: said[name] for name in ("delta", "unit", "records", "releases")},
            "ledger": said["ledger"]["id"],
            "run": said["ledger"]["run"],
        },
        parameters=trained(net.head),
    )


def _by_likeness(net: EdgeNet, where: torch.device) -> Callable[[Material], Answers]:
    """Answers of the network that ships; with the modality unknown, of the group that an image looks like."""

    def look(x: Tensor) -> Tensor:
        features = net.features(x)
        return torch.cat([net.head(features), fn.linear(features, net.likeness)], 1)

    def answer(material: Material) -> Answers:
        net.to(where).eval()
        both = plain.batches(look, material.judged.images, plain.three_channels, where, "judged images")
        logits, alike = np.split(np.asarray(both.numpy(), np.float32), 2, axis=1)
        most = alike >= alike.max(1, keepdims=True)  # Classes of one group are equally alike.
        return Answers(logits, np.where(most, logits, np.float32(-1e9)))

    return answer


def plain_head(job: Job) -> Made:
    """The head of ours without clipping and without noise, until it stands still."""
    net, views = _views(job)
    weight, bias = plain.convex_head(views, job.material.train, job.settings["ridge"])
    model = _Headed(net, weight, bias)
    answer = plain.answering(model, plain.three_channels, job.device)
    parameters = trained(model.head)
    return Made(answer, network_digest(model), dict(job.settings), job.device, parameters=parameters)


def fine_tune(job: Job) -> Made:
    """All layers of ours without privacy, from the same prior: first the head, then everything."""
    settings = job.settings
    net, views = _views(job)
    weight, bias = plain.convex_head(views, job.material.train, settings["ridge"])
    model = _Headed(net, weight, bias).requires_grad_(True)
    plain.train(
        model,
        job.material.train,
        plain.three_channels,
        job.device,
        title=job.recipe.title,
        **{name: settings[name] for name in ("epochs", "batch", "rate", "decay")},
    )
    answer = plain.answering(model, plain.three_channels, job.device)
    return Made(answer, network_digest(model), dict(settings), job.device, parameters=trained(model))


def probe(job: Job) -> Made:
    """A probe for each modality, and one for all, that see brightness and sharpness alone."""
    task = job.material.train
    known = shortcuts.global_statistics(task.images)
    groups = np.array(job.material.groups(task))

    def answer(material: Material) -> Answers:
        asked = shortcuts.global_statistics(material.judged.images)
        own = np.array(material.groups(material.judged))
        within = np.full((len(asked), len(task.classes)), 1e-6)
        for group in np.unique(groups):
            labels, rows = task.labels[groups == group], np.flatnonzero(own == group)
            if len(rows):
                said = shortcuts.probe(known[groups == group], labels, asked[rows])
                within[np.ix_(rows, np.unique(labels))] = said
        every = shortcuts.probe(known, task.labels, asked)
        return Answers(_log(within), _log(every))

    return Made(answer, digest([known]), {"learners": shortcuts.WORDS}, torch.device("cpu"))


METHODS: dict[str, Method] = {
    "network": network,
    "dp-sgd": dp_sgd,
    "features": features,
    "ours": ours,
    "plain-head": plain_head,
    "fine-tune": fine_tune,
    "probe": probe,
}


def changed(job: Job) -> tuple[Job, tuple[str, ...]]:
    """The job on the images that its settings ask for: denoised, rectified, without what the gate refuses."""
    asked = Preprocessing(
        perspective=bool(job.settings.get("perspective")), denoise=bool(job.settings.get("denoise"))
    )
    notes: list[str] = []
    if asked != Preprocessing():
        job = replace(job, material=job.material.preprocessed(asked))
        notes.append(f"preprocessing {asked.name} of training and judged images")
    if job.settings.get("gate"):
        material, dropped = job.material.gated()
        job = replace(job, material=material)
        notes.append(f"the quality gate held back {dropped} training images")
    return job, tuple(notes)


class _Headed(nn.Module):
    """The features of ours, whatever they are, and a linear head."""

    def __init__(self, net: EdgeNet, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.net = net
        self.net.head = nn.Identity()  # type: ignore[assignment]  # Not used, so not trained.
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        self.head.load_state_dict({"weight": weight, "bias": bias})

    def forward(self, x: Tensor) -> Tensor:
        """Logits of (B, 3, 224, 224)."""
        return self.head(self.net.features(x))  # type: ignore[no-any-return]


def _views(job: Job) -> tuple[EdgeNet, Tensor]:
    """The network with its prior, and features (N, V, D) of augmented images, kept for a search."""
    task, views = job.material.train, job.settings["views"]
    net = EdgeNet(len(task.classes))
    load_prior(job.prior, net)
    net.to(job.device).eval()
    key = f"views {views}, repetition {job.repetition}"

    def look(gray: Tensor) -> Tensor:
        every = torch.cat([gray, *(augment(gray) for _ in range(views - 1))])
        out = net.features(plain.three_channels(every))
        return out.view(views, len(gray), -1).transpose(0, 1)

    if key not in job.material.cache:
        found = plain.batches(look, task.images, lambda gray: gray, job.device, "features of ours")
        job.material.cache[key] = found
    return net, job.material.cache[key]


def _with(engine: Any, settings: dict[str, Any]) -> Any:
    """An engine with other settings.

    Raises:
        ComparisonError: it has no such setting.
    """
    strange = sorted(set(settings) - {each.name for each in fields(engine)})
    if strange:
        raise ComparisonError(f"{engine.name} has no setting {', '.join(strange)}")
    return replace(engine, **settings)


def _log(probability: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(probability, 1e-6)), np.float32)


def make(job: Job) -> Made:
    """Train what a job asks for. Whatever looks at the training images is on record before it does.

    Private methods put themselves there, with what they spend.

    Raises:
        ComparisonError: the job cannot be made as asked for.
        ValueError: the ledger cannot hold the run; see `trainer.comparison.private`.
    """
    method, terms, task = METHODS[job.recipe.method], job.material.terms, job.material.train
    if job.recipe.epsilon is not None:
        return method(job)
    ledgers = Ledgers(terms.ledgers)
    reservation = ledgers.reserve(
        data_set(terms.data, task.records, task.units),
        (),
        mode="research",
        engine=f"{job.recipe.row}, without privacy",
        budget=None,
        public=terms.public,
        index=terms.index,
    )
    made = method(job)
    ledgers.finish(reservation)
    return made
