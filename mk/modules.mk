# SPDX-License-Identifier: GPL-2.0
# The kernel modules. The work is done by mk/build-modules; several kernels live side by side under $(O).

.PHONY: modules sparse

modules:
	$(quiet)mk/build-modules $(KDIR)

sparse:
	$(quiet)mk/build-modules --sparse $(KDIR)
