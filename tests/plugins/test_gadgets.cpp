#include "tests/plugins/test_gadgets.h"

#include "core/gadget/export.h"
#include "tests/plugins/test_faults.h"

using namespace counterflow;
COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(TestGain), COUNTERFLOW_GADGET(TestCalibrated), COUNTERFLOW_GADGET(TestNoAdjoint),
                   COUNTERFLOW_GADGET(TestToPaths), COUNTERFLOW_GADGET(TestFold), COUNTERFLOW_GADGET(TestScale),
                   COUNTERFLOW_GADGET(TestMeanSquare), COUNTERFLOW_GADGET(TestPathLoss), COUNTERFLOW_GADGET(TestObserver),
                   COUNTERFLOW_GADGET(TestPass), COUNTERFLOW_GADGET(FaultyCounts), COUNTERFLOW_GADGET(FaultyPaths),
                   COUNTERFLOW_GADGET(FaultyImages), COUNTERFLOW_GADGET(FaultyCalibrated), COUNTERFLOW_GADGET(FaultyFold),
                   COUNTERFLOW_GADGET(FaultySink))
