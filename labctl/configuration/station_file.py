"""The station file as models: what is on the table, who answers where, and what each may do.

Quantities are floats in SI units (temperatures in degC, temperature differences in K) whatever unit the file used. What
one value can get wrong is checked by its type; what several can get wrong together, by `wiring` and `consistency`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from labctl.configuration.bus import Bus
from labctl.configuration.consistency import consistency_findings
from labctl.configuration.dependencies import in_order_of_needs
from labctl.configuration.disturbances import Disturbances
from labctl.configuration.explanations import raise_findings
from labctl.configuration.faults import Allowed
from labctl.configuration.hardware_fields import (
    Address,
    AngleFromHome,
    Attenuation,
    Axis,
    ControllerAddress,
    Decimation,
    DigitalPin,
    FastInput,
    FastOutput,
    Folder,
    GaugeChannel,
    InputRange,
    Level,
    OvenChannel,
    PiezoChannelName,
    PositionCode,
    RotatorAddress,
    SlotKey,
    SlowInputName,
    StepCount,
    ToneOutput,
)
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_faults import Faults, fault_findings
from labctl.configuration.instrument_kinds import DriverName
from labctl.configuration.interlocks import Interlock
from labctl.configuration.quantities import (
    PositiveDuration,
    PositiveFrequency,
    PositiveLength,
    PositivePower,
    PositiveResponsivity,
    PositiveSlewRate,
    PositiveTemperatureDifference,
    PositiveTemperatureRate,
    PositiveVoltage,
    Temperature,
    Voltage,
)
from labctl.configuration.servos import DitherServo, Servo
from labctl.configuration.tables import (
    Efficiency,
    MeasuredConstant,
    Name,
    Names,
    NonzeroNumber,
    PositiveConstant,
    PositiveNumber,
    SensorNumber,
    ShortText,
    Table,
)
from labctl.configuration.wiring import wiring_findings

__all__ = ["Loop", "MeasuredConstant", "ServoLoop", "StationFile"]

_TIMEOUT_S = 2.0
RelockCount = Annotated[int, Field(ge=0, le=3600), Allowed("a whole number from 0 to 3600")]
Seed = Annotated[int, Field(ge=0), Allowed("a whole number of 0 or more")]


class StationTable(Table):
    """The table as a whole: its name, how many sensors it has, and the folder of its runs."""

    name: ShortText = "table"
    sensors: SensorNumber
    runs: Folder = Path("runs")


class VisaBackend(Table):
    """Real instruments, through a pyvisa library: "@py", "@ivi" or the path of one.

    `speed` is lab seconds per wall second: 1 for real instruments, that of `labctl simulate --speed` for the simulated
    ones that it serves.
    """

    kind: Literal["visa"]
    library: ShortText = "@py"
    speed: PositiveNumber = 1.0


class SimulatedBackend(Table):
    """The simulated table; the same seed and scenario give the same night. `faults` and
    `disturbances` are for practice and tests; a `cold` start has its mirrors misaligned, its cavities off resonance and
    its crystal's best temperature unknown."""

    kind: Literal["simulated"]
    faults: Faults = ()
    disturbances: Disturbances = ()
    seed: Seed = 1
    scenario: Literal["ideal", "delays", "jitter", "loss"] = "ideal"
    start: Literal["ready", "cold"] = "ready"


Backend = Annotated[VisaBackend | SimulatedBackend, Field(discriminator="kind")]


class Instrument(Table):
    """One instrument: the driver that speaks to it, its VISA address, and the model that must answer there.

    `slots` (a SIM900 only) names the module in each slot; `chain` (an 8742 only) lists the controllers behind the
    address; `addresses` (a line of ELL14 only) lists the rotation mounts on it. `timeout` is in s.
    """

    driver: DriverName
    address: Address
    model: ShortText
    timeout: PositiveDuration = _TIMEOUT_S
    slots: Mapping[SlotKey, ShortText] = Field(default_factory=dict)
    chain: Annotated[
        tuple[ControllerAddress, ...],
        Field(strict=False, min_length=1, max_length=31),
        Allowed("a list of 1 to 31 addresses"),
    ] = (1,)
    addresses: Annotated[
        tuple[RotatorAddress, ...],
        Field(strict=False, min_length=1, max_length=16),
        Allowed("a list of 1 to 16 addresses"),
    ] = (0,)


class Analyzer(Table):
    """The spectrum analyzer; a measurement that would sweep for more than `longest_sweep` is refused."""

    instrument: Name
    longest_sweep: PositiveDuration


class DigitizerBoard(Table):
    """One more board of a digitizer: detector name -> fast input."""

    instrument: Name
    inputs: Mapping[Name, FastInput]


class Digitizer(Table):
    """The digitizer: detector name -> fast input, input range as the jumpers set it, decimation of 125 MS/s.

    `chain` are further boards in the order of the cables from the first, whose clock and trigger they take; `gain` and
    `decimation` are for all.
    """

    instrument: Name
    inputs: Mapping[Name, FastInput]
    gain: InputRange
    decimation: Decimation
    chain: Annotated[
        tuple[DigitizerBoard, ...], Field(strict=False, max_length=63), Allowed("a list of at most 63 boards")
    ] = ()

    @property
    def boards(self) -> tuple[DigitizerBoard, ...]:
        """All boards, the first one first."""
        return (DigitizerBoard(instrument=self.instrument, inputs=self.inputs), *self.chain)


class Oven(Table):
    """The crystal oven: temperatures in degC, `ramp` in K/s, `tolerance` in K."""

    instrument: Name
    channel: OvenChannel
    target: Temperature
    minimum: Temperature
    maximum: Temperature
    ramp: PositiveTemperatureRate
    tolerance: PositiveTemperatureDifference
    at_shutdown: Literal["hold", "off"]


class RfSwitch(Table):
    """The switch before the analyzer: pins from the least significant bit up, signal name -> code on these pins."""

    instrument: Name
    pins: Annotated[
        tuple[DigitalPin, ...], Field(strict=False, min_length=1, max_length=16), Allowed("a list of 1 to 16 pins")
    ]
    positions: Mapping[Name, PositionCode]


class Shutter(Table):
    """A shutter on a digital pin; `open_level` is the level that lets light through."""

    instrument: Name
    pin: DigitalPin
    open_level: Level = 1


class Monitor(Table):
    """A slow monitor: volts at the detector = (volts at the pin - offset) / gain."""

    instrument: Name
    input: SlowInputName
    offset: Voltage = 0.0
    gain: NonzeroNumber = 1.0


class Scan(Table):
    """The fast scan of the source cavity; `volts_per_volt` is at the servo's summing point for one volt of the DAC."""

    instrument: Name
    output: FastOutput
    volts_per_volt: NonzeroNumber
    error_input: FastInput
    transmission_input: FastInput


class PiezoChannel(Table):
    """One output of a piezo driver."""

    instrument: Name
    channel: PiezoChannelName


class _Loop(Table):
    """A lock: `bias` is the piezo's rest (V); it is tried again after a loss `relocks_per_hour` times at most."""

    piezo: PiezoChannel
    bias: Voltage
    needs: Names = ()
    relocks_per_hour: RelockCount = 10


class _ServoLoop(_Loop):
    """A lock whose servo drives its piezo: `output_limit` is the servo's swing (V), `unity_gain` in Hz."""

    servo: Servo
    output_limit: PositiveVoltage
    unity_gain: PositiveFrequency
    witness: Name | None = None


class SourceLoop(_ServoLoop):
    """A loop of the source: the length of its cavity, or the phase of its pump."""

    kind: Literal["opa_length", "pump_phase"]


class ErrorInput(Table):
    """The fast input of a board that records an error signal."""

    instrument: Name
    input: FastInput


class HomodyneLoop(_ServoLoop):
    """The local-oscillator phase of one sensor's homodyne detector, at the mid-fringe point `quadrature`.

    `error` is where its DC fringe is recorded, if anywhere.
    """

    kind: Literal["homodyne"]
    sensor: SensorNumber
    quadrature: Literal["+pi/2", "-pi/2"]
    error: ErrorInput | None = None


class CavityLoop(_Loop):
    """The length of one sensor's cavity, held where the light behind it, `witness`, is at its top."""

    kind: Literal["cavity"]
    sensor: SensorNumber
    servo: DitherServo
    witness: Name


ServoLoop = SourceLoop | HomodyneLoop
Loop = Annotated[SourceLoop | HomodyneLoop | CavityLoop, Field(discriminator="kind")]


class Supervisor(Table):
    """Who looks after the loops: each is looked at every `period` (s)."""

    period: PositiveDuration = 0.1


class Piezo(Table):
    """A piezo that no servo drives, and the voltage where it rests."""

    instrument: Name
    channel: PiezoChannelName
    bias: Voltage


class PiezoLimits(Table):
    """Limits of every piezo channel of the table; `servo_gain` is volts at the piezo for one volt of a servo.

    `slew_to_safe` is for the way to 0 V when the table is made safe, and for nothing else; without it that is no faster
    than any other.
    """

    minimum: Voltage
    maximum: Voltage
    slew: PositiveSlewRate
    slew_to_safe: PositiveSlewRate | None = None
    servo_gain: PositiveNumber

    @property
    def fastest_to_safe(self) -> float:
        """The fastest on the way to 0 V when the table is made safe, in V/s."""
        return self.slew if self.slew_to_safe is None else self.slew_to_safe


class Mirror(Table):
    """A motorized mirror: the axes of one picomotor controller that tilt it."""

    instrument: Name
    controller: ControllerAddress = 1
    pitch: Axis
    yaw: Axis


class MirrorLimits(Table):
    """The most steps that one move of a picomotor may have, and that one axis may do in an hour."""

    steps_per_move: StepCount
    steps_per_hour: StepCount = 200_000


class Gauge(Table):
    """A vacuum gauge at one channel of its controller."""

    instrument: Name
    channel: GaugeChannel


class Rotator(Table):
    """A rotation mount, such as that of a wave plate, at its address on the line, and the largest angle in degrees from
    home that it may be turned to."""

    instrument: Name
    address: RotatorAddress
    maximum_deg: AngleFromHome = 360.0


class Laser(Table):
    """The tunable laser: the wavelengths (m, in vacuum) and powers (W) that may be asked for."""

    instrument: Name
    minimum_wavelength: PositiveLength
    maximum_wavelength: PositiveLength
    minimum_power: PositivePower
    maximum_power: PositivePower


class Tone(Table):
    """A tone on one output of a generator: the frequencies (Hz) and amplitudes (V, peak across 50 ohm) that may be
    asked for.

    `volts_per_pi` is that of the modulator it drives, if it drives one, behind `attenuation_db`.
    """

    instrument: Name
    output: ToneOutput
    minimum_frequency: PositiveFrequency
    maximum_frequency: PositiveFrequency
    minimum_amplitude: PositiveVoltage
    maximum_amplitude: PositiveVoltage
    volts_per_pi: PositiveConstant | None = None
    attenuation_db: Attenuation = 0.0


class PowerMeter(Table):
    """An optical power meter: the wavelengths (m) that it may be told, and the attenuation in front of its head that
    readings are corrected for."""

    instrument: Name
    minimum_wavelength: PositiveLength
    maximum_wavelength: PositiveLength
    attenuation_db: Attenuation = 0.0


class Light(Table):
    """Wavelength in m, powers in W, and the amplification of the seed expected at the lock point (a power ratio)."""

    wavelength: PositiveLength
    probe_power: PositivePower
    local_oscillator_power: PositivePower
    seed_gain_expected: PositiveNumber


class Detectors(Table):
    """The homodyne detectors: efficiency, transimpedance of the DC monitor in V/A, responsivity in A/W."""

    quantum_efficiency: Efficiency
    dc_volts_per_ampere: PositiveNumber
    responsivity: PositiveResponsivity


class Membranes(Table):
    """The membranes as designed: effective mass (kg) and temperature (K), damping and cavity linewidth (Hz, FWHM), and
    the coupling g0 of one photon (Hz)."""

    effective_mass: PositiveConstant
    temperature: PositiveConstant
    damping: PositiveFrequency
    linewidth: PositiveFrequency
    coupling: PositiveFrequency


class Sensor(Table):
    """One sensor: where its resonance is looked for (Hz), and the efficiency of the path to its detector."""

    resonance: PositiveFrequency
    search_span: PositiveFrequency
    propagation_efficiency: Efficiency


class StationFile(Table):
    """A whole station file; `sensors[n - 1]` is sensor n. A table that a station does without is None or empty."""

    station: StationTable
    backend: Backend
    instruments: Mapping[Name, Instrument] = Field(default_factory=dict)
    analyzer: Analyzer | None = None
    digitizer: Digitizer | None = None
    oven: Oven | None = None
    rf_switch: RfSwitch | None = None
    shutters: Mapping[Name, Shutter] = Field(default_factory=dict)
    monitors: Mapping[Name, Monitor] = Field(default_factory=dict)
    scan: Scan | None = None
    supervisor: Supervisor = Supervisor()
    bus: Bus = Bus()
    loops: Mapping[Name, Loop] = Field(default_factory=dict)
    piezos: Mapping[Name, Piezo] = Field(default_factory=dict)
    piezo_limits: PiezoLimits | None = None
    mirrors: Mapping[Name, Mirror] = Field(default_factory=dict)
    mirror_limits: MirrorLimits | None = None
    gauges: Mapping[Name, Gauge] = Field(default_factory=dict)
    rotators: Mapping[Name, Rotator] = Field(default_factory=dict)
    laser: Laser | None = None
    tones: Mapping[Name, Tone] = Field(default_factory=dict)
    power_meters: Mapping[Name, PowerMeter] = Field(default_factory=dict)
    interlocks: Mapping[Name, Interlock] = Field(default_factory=dict)
    light: Light | None = None
    detectors: Detectors | None = None
    membranes: Membranes | None = None
    sensors: Annotated[
        tuple[Sensor, ...], Field(strict=False, max_length=64), Allowed("a list of [[sensors]] tables")
    ] = ()

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> StationFile:
        inspection = Inspection(self, Inspection.dropped_in(info))
        faults = self.backend.faults if isinstance(self.backend, SimulatedBackend) else ()
        raise_findings(
            [
                *wiring_findings(inspection),
                *consistency_findings(inspection),
                *fault_findings(inspection, faults),
            ]
        )
        return self

    @property
    def servo_loops(self) -> dict[str, ServoLoop]:
        """The loops whose servo drives their piezo."""
        return {name: loop for name, loop in self.loops.items() if loop.kind != "cavity"}

    @property
    def loops_in_order(self) -> tuple[str, ...]:
        """Names of the loops, each after those that it needs: the order in which they can be locked."""
        return in_order_of_needs({name: loop.needs for name, loop in self.loops.items()})
