"""Part of `make eval`: false match rates over all pairs of different people, for the calibration of face match.

Arguments: a folder with one folder per person, each with faces aligned to 112 x 112 pixels, and the folder of the models. Prints a table
for each embedding model: the cosine of each false match rate, the share of genuine pairs below it, and the numbers of pairs. Labels of
LFW that name one person twice are merged, because their genuine pairs would count as the most similar pairs of different people.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

# Known errors of LFW's labels: both names are of the person that the second one names.
ONE_PERSON = {
    "Hasan_Wirayuda": "Hassan_Wirajuda",
    "Flor_Montulo": "Nora_Bendijo",
}
RATES = [1e-3, 1e-4, 1e-5, 1e-6]


def sface(rgb: np.ndarray) -> np.ndarray:
    return rgb


def fr_feature(rgb: np.ndarray) -> np.ndarray:
    return (rgb[..., ::-1] - 127.0) / 128.0


MODELS = [("SFace", "face_recognition_sface.onnx", sface), ("fr_feature", "fr_feature.onnx", fr_feature)]


def templates(model: Path, prepare, pictures: list[Path]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = []
    for picture in pictures:
        rgb = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float32)
        planes = np.ascontiguousarray(prepare(rgb).transpose(2, 0, 1)[None], dtype=np.float32)
        row = session.run(None, {name: planes})[0].ravel()
        rows.append(row / np.linalg.norm(row))
    return np.stack(rows)


def main() -> None:
    root, models = Path(sys.argv[1]), Path(sys.argv[2])
    pictures = sorted(root.glob("*/*.jpg"))
    people = [ONE_PERSON.get(picture.parent.name, picture.parent.name) for picture in pictures]
    number = {person: at for at, person in enumerate(sorted(set(people)))}
    labels = np.array([number[person] for person in people])
    first, second = np.triu_indices(len(pictures), k=1)
    same = labels[first] == labels[second]
    print(f"{len(pictures)} pictures of {len(number)} people: {np.count_nonzero(~same)} pairs of different people, "
          f"{np.count_nonzero(same)} pairs of one person")
    for title, file, prepare in MODELS:
        rows = templates(models / file, prepare, pictures)
        cosines = (rows @ rows.T)[first, second]
        impostors, genuine = np.sort(cosines[~same])[::-1], cosines[same]
        print(f"{title}: mean cosine of one person {genuine.mean():.3f}")
        for rate in RATES:
            allowed = int(rate * len(impostors))
            if allowed == 0:
                print(f"  FMR {rate:.0e}: too few pairs")
                continue
            threshold = impostors[allowed]
            missed = np.mean(genuine <= threshold)
            print(f"  FMR {rate:.0e}: cosine {threshold:.3f}, FNMR {100 * missed:.2f} % ({allowed} pairs above)")
        most = np.argsort(cosines[~same])[::-1][:5]
        for at in most:
            a, b = pictures[first[~same][at]].name, pictures[second[~same][at]].name
            print(f"  most similar: {cosines[~same][at]:.3f} {a} {b}")


if __name__ == "__main__":
    main()
