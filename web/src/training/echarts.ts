// The parts of ECharts that the plots need, in a part of their own: loaded when the first plot is shown.
import { LineChart } from 'echarts/charts';
import { DataZoomInsideComponent, GridComponent, TooltipComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

use([LineChart, GridComponent, TooltipComponent, DataZoomInsideComponent, CanvasRenderer]);

export { init };
