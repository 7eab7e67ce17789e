"""A comparison that takes a moment, and what of it does not depend on the clock."""

TINY = {"data": "iris", "repeats": 2, "epochs": 3, "hidden": 5}


def without_times(comparison):
    document = comparison.to_dict()
    for result in [*document["runs"], *document["search"]]:
        del result["seconds"], result["history"]["seconds"]
    for row in document["summary"]:
        del row["seconds"], row["seconds_per_epoch"]
    document["notes"] = [note for note in document["notes"] if "searched" not in note]
    return document
