"""Static checks of images, manifests and workflows, which do not run on a developer's machine."""
