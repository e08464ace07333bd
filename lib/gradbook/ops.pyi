from keras.ops import *  # noqa: F403
