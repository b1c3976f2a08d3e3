"""Labels without identities: the network says who is who, and they become objects."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from napari_sam2.api.linking import Linking, check_labels
from napari_sam2.layers.tracked_image import labels_on
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.inference.worker import Guarded
from napari_sam2.widgets.tracks_dock.open_section import OpenSection, Sources

if TYPE_CHECKING:
    from napari_sam2.layers.viewer.image_geometry import LayerFrames
    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.annotator.annotator import Annotator
    from napari_sam2.widgets.inference.session_owner import SessionOwner


class LinkJob:
    """Links labels on the worker's thread.

    Parameters
    ----------
    frames
        The movie that they lie on.
    labels
        The masks; equal labels in different frames mean nothing.
    divisions
        Whether an object may become two.

    Attributes
    ----------
    result
        The same masks with identities; None until it ran to its end.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the movie is one of stacks.
    """

    def __init__(self, frames: "LayerFrames", labels: Tracked, divisions: bool) -> None:
        check_labels(labels, (len(frames), *frames.frame_shape), frames.n_planes)
        self._frames, self._labels, self._divisions = frames.as_movie(), labels, divisions
        self.result: Tracked | None = None

    def run(self, owner: "SessionOwner") -> Iterator[int]:
        """Link the objects; yield how many frames are done."""
        session = owner.another_session(self._frames)
        linking = Linking(session, self._labels, divisions=self._divisions)
        yield from linking.run()
        self.result = Tracked(linking.masklets, linking.lineage, axes=self._labels.axes)
        self.result.tracks  # noqa: B018  # worked out here, not on the GUI thread


class Linker:
    """Links what the panel read, and hands it on.

    Parameters
    ----------
    annotator
        Whose image and network they are.
    opening
        The panel.
    take
        Gets the objects.
    """

    def __init__(
        self, annotator: "Annotator", opening: OpenSection, take: Callable[[Tracked], object]
    ) -> None:
        self._annotator, self._opening, self._take = annotator, opening, take
        self._is_linking = False
        opening.linked.connect(self._link)
        opening.job.cancelled.connect(self.cancel)

    def cancel(self) -> None:
        """Stop linking, if it goes on; nothing is taken."""
        if self._is_linking:
            self._annotator.propagation.cancel()

    def _link(self, labels: Tracked, divisions: bool) -> None:
        workspace = self._annotator.work.workspace
        try:
            job = LinkJob(workspace.frames, labels, divisions)
        except ValueError as error:
            self._opening.job.show_end("Nothing was imported.")
            report(error)
            return
        self._is_linking = True
        self._annotator.open()
        stream = Guarded(job.run)
        self._annotator.network.stream(
            stream,
            each=lambda done: self._opening.job.show_progress(done, labels.n_frames),
            then=partial(self._linked, workspace, job, stream),
        )

    def _linked(
        self, workspace: "Workspace", job: LinkJob, stream: Guarded, completed: bool
    ) -> None:
        self._is_linking = False
        if sentence := workspace.blank.new_sentence():
            self._annotator.noticed.emit(f"{sentence}.")
        if stream.error is not None:
            self._opening.job.show_end("Nothing was imported.")
            self._annotator.failed.emit(stream.error)
            return
        if job.result is None or workspace is not self._annotator.workspace:
            self._opening.job.show_end("Stopped; nothing was imported.")
            return
        lineage = job.result.lineage
        n, mothers = len(lineage), len(set(lineage.parents.values()))
        self._opening.job.show_end(
            f"Linked: {n} object{'s' * (n != 1)}, {mothers} division{'s' * (mothers != 1)}."
        )
        self._take(job.result)


def label_layers(annotator: "Annotator") -> Sources:
    """List the Labels layers of other origin that lie on the image, and what reads each."""
    workspace = annotator.work.workspace
    return labels_on(workspace.image, workspace.geometry, annotator.viewer.layers)
