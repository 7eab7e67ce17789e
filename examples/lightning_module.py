"""Handwritten digits with Lightning: the loss is an attribute of the module, as any other torch.nn.Module."""

import lightning
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

import amiss.torch


class Digits(lightning.LightningModule):
    """A network with its loss."""

    def __init__(self):
        super().__init__()
        self.model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        self.loss = amiss.torch.CrossEntropy(label_smoothing=0.05)

    def training_step(self, batch, index):
        x, y = batch
        loss = self.loss(self.model(x), y)
        self.log("train_loss", loss)
        return loss

    def test_step(self, batch, index):
        x, y = batch
        self.log("test_accuracy", (self.model(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


lightning.seed_everything(0, verbose=False)
x, y = load_digits(return_X_y=True)
split = train_test_split(x.astype("float32") / 16, y, test_size=0.25, random_state=0, stratify=y)
x_train, x_test, y_train, y_test = map(torch.from_numpy, split)

quiet = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
trainer = lightning.Trainer(max_epochs=10, accelerator="cpu", **quiet)
model = Digits()
trainer.fit(model, DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True))
trainer.test(model, DataLoader(TensorDataset(x_test, y_test), batch_size=450), verbose=False)
print(f"test accuracy {trainer.logged_metrics['test_accuracy']:.3f}")
