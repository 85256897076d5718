"""PyTorch's ensembles: stacked parameters, `functional_call`, and `vmap` over `grad`."""

import copy
from collections.abc import Callable

import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from peers import torch_network
from peers.system import CORES, LANES, System
from peers.work import Params, Work

Stacked = dict[str, torch.Tensor]  # by the names of one model, arrays with a leading axis of runs


def prepare(work: Work) -> Callable[[], Stacked]:
    torch.set_num_threads(CORES)
    tensors = torch_network.to_tensors(work)
    first, buffers = stack_module_state(tensors.models)
    skeleton = copy.deepcopy(tensors.models[0]).to("meta")
    rates = torch.tensor(work.learning_rates)

    def loss(params: Stacked, buffers: Stacked, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return cross_entropy(functional_call(skeleton, (params, buffers), (inputs,)), targets)

    ensemble_grad = vmap(grad(loss), in_dims=(0, 0, None, None))

    @torch.no_grad()
    def train() -> Stacked:
        params = {name: leaf.detach().clone() for name, leaf in first.items()}
        for rows in tensors.batches:
            grads = ensemble_grad(params, buffers, tensors.inputs[rows], tensors.targets[rows])
            for name, leaf in params.items():
                leaf.sub_(rates.view(-1, *[1] * (leaf.ndim - 1)) * grads[name])
        return params

    return train


def weights(params: Stacked) -> Params:
    names = dict.fromkeys(name.split(".")[0] for name in params)
    return [{"w": params[f"{name}.weight"].mT.numpy(), "b": params[f"{name}.bias"].numpy()} for name in names]


SYSTEM = System(prepare, weights, sizes=tuple(CORES * lanes for lanes in LANES))
