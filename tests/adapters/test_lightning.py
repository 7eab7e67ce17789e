"""Lightning with a loss as an attribute of the module: logged, saved and loaded."""

import logging
import warnings

import pytest
import torch

import amiss.torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Lightning's own, while it imports
    import lightning

X = torch.tensor([[-2.0, 1.0], [1.0, 0.5], [0.5, -1.0], [2.0, 2.0]])
Y = torch.tensor([0, 1, 2, 1])
WEIGHT = torch.tensor([1.0, 2.0, 4.0])


class Model(lightning.LightningModule):
    def __init__(self, loss):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.loss, self.seen = torch.nn.Linear(2, 3), loss, []

    def training_step(self, batch, _):
        value = self.loss(self.layer(batch[0]), batch[1])
        self.log("train_loss", value)
        self.seen.append(value.item())
        return value

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


def trained(loss, folder, epochs=2):
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", default_root_dir=folder, **dict.fromkeys(quiet, False)
    )
    model = Model(loss)
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on workers and deprecations of its own
        trainer.fit(model, batches)
    return model, trainer


def weighted():
    return amiss.torch.CrossEntropyLoss(weight=WEIGHT.clone())


def test_training_is_that_with_the_loss_of_torch(tmp_path):
    ours, _ = trained(weighted(), tmp_path)
    theirs, _ = trained(torch.nn.CrossEntropyLoss(weight=WEIGHT.clone()), tmp_path)
    assert ours.seen == pytest.approx(theirs.seen, rel=1e-6)
    torch.testing.assert_close(ours.layer.weight, theirs.layer.weight, rtol=1e-6, atol=1e-7)


def test_the_loss_is_logged(tmp_path):
    model, trainer = trained(weighted(), tmp_path)
    assert trainer.logged_metrics["train_loss"].item() == pytest.approx(model.seen[-1])
    assert model.seen[1] < model.seen[0]


def test_a_checkpoint_keeps_the_loss_and_its_weights(tmp_path):
    model, trainer = trained(weighted(), tmp_path)
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    loaded = Model.load_from_checkpoint(path, loss=amiss.torch.CrossEntropyLoss(weight=torch.ones(3)))
    assert torch.equal(loaded.loss.weight, WEIGHT)
    assert loaded.loss.loss.class_weight == tuple(WEIGHT.tolist())
    assert loaded.loss(loaded.layer(X), Y) == model.loss(model.layer(X), Y)


def test_a_loss_without_buffers_needs_none_in_the_checkpoint(tmp_path):
    _, trainer = trained(amiss.torch.CrossEntropy(label_smoothing=0.1), tmp_path)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = Model.load_from_checkpoint(tmp_path / "model.ckpt", loss=amiss.torch.CrossEntropy())
    assert set(loaded.state_dict()) == {"layer.weight", "layer.bias"}
