"""PPO on CartPole: a training that another library wrote as one function, 16 learning rates x 4 seeds in one program.

Needs `pip install rejax 'gymnax<1'`. Prints, for each learning rate, the mean return of 128 episodes after training and its
95 % interval over seeds, then the best rate. The largest possible return is 500. Takes some minutes.
"""

import jax
from rejax import PPO

import fnnet as fn


def make_task(total_timesteps: int) -> fn.Task:
    ppo = PPO.create(env="CartPole-v1", total_timesteps=total_timesteps, eval_freq=total_timesteps // 4)

    def train(key: jax.Array, hparams: fn.Hparams, data: None) -> dict[str, jax.Array]:
        _, (_, returns) = ppo.replace(learning_rate=hparams["learning_rate"]).train(key)
        return {"return": returns.mean(axis=1)}  # a curve, with one value per evaluation

    return fn.function_task(train, higher_is_better={"return": True})


def main(total_timesteps: int = 131_072, num_rates: int = 16, num_seeds: int = 4) -> None:
    task = make_task(total_timesteps)
    space = fn.grid(learning_rate=fn.logspace(1e-4, 0.1, num_rates), seed=range(num_seeds))
    results = fn.sweep(lambda: task, space, None, num_steps=1, show_progress=True)
    for row in results.table(over="seed").iter_rows(named=True):
        low, high = row["return_low"], row["return_high"]
        print(
            f"learning rate {row['learning_rate']:.2g}: return {row['return']:.0f} ({low:.0f} to {high:.0f})"
        )
    best = results.best("return")
    print(f"best: {best.config}, return {best.interval.mean:.1f} in {best.interval.num_runs} runs")


if __name__ == "__main__":
    main()
