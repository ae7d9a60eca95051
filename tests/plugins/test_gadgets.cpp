#include "tests/plugins/test_gadgets.h"

#include "core/gadget/export.h"

using namespace counterflow;
COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(TestGain), COUNTERFLOW_GADGET(TestCalibrated), COUNTERFLOW_GADGET(TestNoAdjoint),
                   COUNTERFLOW_GADGET(TestToPaths), COUNTERFLOW_GADGET(TestFold), COUNTERFLOW_GADGET(TestScale),
                   COUNTERFLOW_GADGET(TestMeanSquare), COUNTERFLOW_GADGET(TestPathLoss), COUNTERFLOW_GADGET(TestObserver))
