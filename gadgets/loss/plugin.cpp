#include "core/gadget/export.h"
#include "gadgets/loss/image_difference.h"
#include "gadgets/loss/reference_likelihood.h"
#include "gadgets/loss/region_concentration.h"
#include "gadgets/loss/slice_loss.h"
#include "gadgets/loss/spectral_consistency.h"

using counterflow::MaterialReference;
using counterflow::MonoenergeticReference;
using counterflow::ReferenceLikelihood;
using counterflow::RegionConcentration;
using counterflow::RingUniformity;
using counterflow::SpectralConsistency;
using counterflow::TotalVariation;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MaterialReference), COUNTERFLOW_GADGET(MonoenergeticReference),
                   COUNTERFLOW_GADGET(ReferenceLikelihood), COUNTERFLOW_GADGET(RegionConcentration),
                   COUNTERFLOW_GADGET(RingUniformity), COUNTERFLOW_GADGET(SpectralConsistency),
                   COUNTERFLOW_GADGET(TotalVariation))
