"""OpenCV's part of the benchmark `opencv`: reads picture paths from standard input and prints milliseconds per picture.

It detects (longest side 320), aligns and embeds with FaceDetectorYN and FaceRecognizerSF on one thread; decoding is not counted.
Arguments: the detection model and one or more recognition models. The first line of output is OpenCV's version. Each further line has
one time for each recognition model, or `none` if no face is found.
"""

import sys
import time

import cv2

INPUT_SIDE = 320


def main() -> None:
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(sys.argv[1], "", (INPUT_SIDE, INPUT_SIDE), 0.6, 0.3)
    recognizers = [cv2.FaceRecognizerSF.create(path, "") for path in sys.argv[2:]]
    print(cv2.__version__, flush=True)
    for line in sys.stdin:
        picture = cv2.imread(line.rstrip("\n"), cv2.IMREAD_COLOR)
        times = [measured(detector, recognizer, picture) for recognizer in recognizers]
        print("none" if None in times else " ".join(map(str, times)), flush=True)


def measured(detector: cv2.FaceDetectorYN, recognizer: cv2.FaceRecognizerSF, picture: cv2.typing.MatLike) -> float | None:
    begun = time.perf_counter()
    factor = INPUT_SIDE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    detector.setInputSize(size)
    _, faces = detector.detect(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
    if faces is None:
        return None
    face = max(faces, key=lambda f: f[2] * f[3]).copy()
    face[:14] /= factor
    recognizer.feature(recognizer.alignCrop(picture, face))
    return (time.perf_counter() - begun) * 1000


main()
